-- gateway.lua: what wrk asks the gateway for, by environment: BENCH_PATH, with BENCH_KEYS the key of one of so many rows
-- behind it; BENCH_TOKEN; or, with BENCH_GUESS, wrong passwords, each client from an address of its own when it says "many".
local path = os.getenv('BENCH_PATH')
local keys = tonumber(os.getenv('BENCH_KEYS') or '0')
local token = os.getenv('BENCH_TOKEN')
local guess = os.getenv('BENCH_GUESS')
local count = 0

math.randomseed(os.time())
function request()
	local headers = {}
	if guess then
		count = count + 1
		headers['Content-Type'] = 'application/json'
		if guess == 'many' then
			headers['X-Forwarded-For'] = '198.51.100.' .. count % 50 + 1
		end
		return wrk.format('POST', '/api/auth/login', headers, '{"username": "oleg' .. count .. '", "password": "wrong ' .. count .. '"}')
	end
	if token and token ~= '' then
		headers['Authorization'] = 'Bearer ' .. token
	end
	return wrk.format('GET', keys > 0 and path .. math.random(keys) or path, headers)
end
