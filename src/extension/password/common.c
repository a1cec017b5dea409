/*
 * common.c
 *		Passwords that are common and look strong: fingerprints of those that
 *		libzxcvbn's dictionary does not hold.
 *
 * Most are words of another alphabet typed on a Latin keyboard, or the names of
 * web sites.  Taken from zxcvbn's ranked list of the 10,000 most common ones
 * (Dropbox, MIT licence): what has 8 characters or more, is no single word to
 * libzxcvbn 2.5, and is one of the first 1,000 or would take it a million
 * guesses or more: so the first 1,000 are refused whatever
 * twin_security.password_min_score is, and all from score 2 on.  One row is the
 * first 8 bytes of SHA-256 of the password in lower case (ASCII), big-endian;
 * the list itself is not here.  test/t/031_passwords.pl holds the whole list
 * against the result.
 */
#include "password/private.h"

#include "common/digest.h"
#include "common/secret.h"

/* clang-format off */
static const uint64 fingerprints[] = { /* sorted */
	0x0200f03315d6bf19, 0x026c6f9bf94103c8, 0x0365cac141b63c7a, 0x09fba7943e22ac2e, 0x0a67248b9ae06468,
	0x0b14d501a594442a, 0x0da0b943f322ad72, 0x117604106c51f137, 0x11d902301ac240f8, 0x12ad4a3ef3396468,
	0x12d47138de0c061e, 0x1305485a712608fd, 0x15e2b0d3c33891eb, 0x177bc8c2cbc970dc, 0x1906b1b14c196bd6,
	0x1b4021b5ad625f8f, 0x1ba496ad99250e1b, 0x1dd9308df72e21a4, 0x1dfea1cc8fdee354, 0x1ea63fa1c9c16d11,
	0x20504cdfddaad0b5, 0x208cff13c083dccc, 0x212d4a3d41e79aad, 0x2285877fbec4bb1a, 0x22f3abbceea4f810,
	0x23b5ed29a1e8409f, 0x2479f80f647c2c91, 0x25aca4ad2d4601b4, 0x27cc6994fc1c01ce, 0x2887a32e02650d48,
	0x2d330507318a51eb, 0x2e844ad651c6b9a6, 0x32d083006f52291a, 0x3436251bdfd3f62d, 0x35f91566a687c0b3,
	0x36982699e2f2ff1f, 0x36aa15a88e7ab360, 0x379819d1732aa331, 0x38cacdd366404ae9, 0x395f2910731c508f,
	0x39a7595c59e5a8f5, 0x3c333102d51f7c84, 0x3dc43dbbce1155a3, 0x40133c54cd720cf7, 0x40493642e7688498,
	0x407370305c68e54b, 0x40f598cc76550d29, 0x420e08fac0cf2c7c, 0x42b910b4af30f901, 0x45a6c3c86f3a1a6e,
	0x45a8f6af41230c7d, 0x45ab5b9591a5f493, 0x46a281cd35498ad6, 0x46e17ba54eecdb47, 0x48166c7c191ee86c,
	0x484c7872031a01ba, 0x4ab9f398e76728da, 0x4cbe3aceb35a3c30, 0x4d187add008a61f3, 0x4e8f1365bfa15590,
	0x520233db37b2d63f, 0x52422166e9e851ed, 0x54338b560014e0a6, 0x556e6009da3e2fc7, 0x5600715f42bf51c4,
	0x56a7d23396d7082c, 0x57f15d71b0e3aa1c, 0x57f256cff1fd1847, 0x5c488b06e68d2db3, 0x5cb8495d90dc65ea,
	0x5d5a70a2d7887983, 0x5e579e0158115248, 0x5ec772f3a2b5a18a, 0x5f3b3b6149571008, 0x6085fee2997a53fe,
	0x60b408b35d7a6e62, 0x647650c4151f185b, 0x64d72e5c1c1698f5, 0x65584fdb05d4d70c, 0x68c0a141f4b4c89d,
	0x6ae217164a1e3bfe, 0x6b565e9515a11416, 0x6d5d45d57ebcf304, 0x6d642548110d0f4d, 0x6eea8b04c68bfafe,
	0x7348f33c0e950511, 0x7474b9626e30b403, 0x7482ba6f5c372824, 0x75822a96fd1a29ec, 0x75c20970bef5917e,
	0x770fecc047005321, 0x775b9c200002c4cc, 0x7a3180ba33c911df, 0x7acfbc104c6f614f, 0x7c66ae347098ac8e,
	0x7c8c60a19fa0b6df, 0x7eef4acfbfb8a537, 0x7f82f72a20cbe294, 0x7fcc5ff03c6c7abe, 0x7fd06f0e2a61fec4,
	0x819210ab9e708d5d, 0x81d06fe91661eb55, 0x830e5902d45fe842, 0x83f9d72f0cbc675f, 0x840815f39c15d7cc,
	0x84f50e898f79eae0, 0x85ddf2dd2b773d86, 0x85e7aae1adb91e9d, 0x85fd7c889f71cf10, 0x8773fc929ba02466,
	0x884f458aaff8b3d3, 0x8907a499b54ae0c5, 0x89b00a2edf6d5d55, 0x8a389a9ab4472604, 0x8b00ef3ba92354a2,
	0x8c62759f5be0362d, 0x8c6e96f7ab6a0294, 0x8ce1cd43c5a53ad5, 0x8ce4e0d648505aee, 0x8d3cbb75417e1336,
	0x8e3ce5773a8577d4, 0x8fcb25879a66b007, 0x90a0805c053d247e, 0x910288d8e9e9ddf5, 0x92b55a2e52fb5c35,
	0x94b720a583edd67c, 0x95119d0948077fb4, 0x9900a0d334e3446c, 0x9cdc207a55907b52, 0x9d7bda8e62ea9269,
	0x9e4633d8746b59a6, 0x9ec5dbef87db3a83, 0xa1585c0d1e8f156b, 0xa1dd395c19f3a1f7, 0xa3351780c4e072ff,
	0xa360ef16dd6376ff, 0xa427815f068117f3, 0xa45090e56b7639ca, 0xa5b810a3190a3903, 0xa79f2e8e60d41b6e,
	0xa939311a5c5be93e, 0xaa3d2fe4f6d301db, 0xaac676b02c99bf00, 0xab95c9fd3676ec27, 0xabd1d75f6b4e54ab,
	0xac0c70e4291ee039, 0xac7bdfb2955259d5, 0xac8290907adffe36, 0xad4941386c090ac5, 0xae9fec6795e5a3ac,
	0xb05c9ad49cf0ad3b, 0xb07e14552d084159, 0xb0cd76b7d7829362, 0xb14c8b304b800280, 0xb42eef1338d038d9,
	0xb5cc5ed9fe8febaa, 0xb85b8f6c41b952ee, 0xb9dda264d83c82f9, 0xbaa2fcf03e57b9b4, 0xbcedcf24f7f43a99,
	0xbdd60c4fe83ad9d7, 0xc0434a7d50261e57, 0xc19122f29b80b67f, 0xc6898e7f1fe80e3a, 0xc775e7b757ede630,
	0xc781aece1ba9c6c1, 0xc7e5ddd440cdb264, 0xc80f63014c517106, 0xc8555434b9c43311, 0xc8c38b9c87345d73,
	0xc902bee9bebf69d4, 0xc9be50360f078236, 0xca19f94b0ad9a7e9, 0xcacfd524400344de, 0xcb5e0fac75c921ae,
	0xcd4e8931842e8cca, 0xcde8607c0177fb68, 0xceec674a76c639e3, 0xcf0b854f5a17fdad, 0xd1aa305c09f53fb8,
	0xd24259be13407e0d, 0xd2dafa2e6ebdc6b3, 0xd42427f1494c1bb1, 0xd59890e0bf1087d1, 0xd7baeada7e84037f,
	0xd856186e4de77d46, 0xd865b65bdb3ba379, 0xd89360ef02e6c056, 0xd8aafc4b847c351d, 0xd924fd9ca27af61c,
	0xd93c090a2ced1e00, 0xda03b244c966cbaa, 0xda5d8848840f8705, 0xdaaad6e5604e8e17, 0xdad0ae2a90afea5e,
	0xdb5e18fae9a82460, 0xdbdcf01bf52ceac1, 0xdc00c903852bb19e, 0xdc42b776abb045a0, 0xde689e0552651100,
	0xdfdfcacbe3705c4b, 0xe094461145afaf76, 0xe2715ee00f8ab695, 0xe31aff61faaec1ee, 0xe32ac31e84e954c4,
	0xe4005e2c1578a1e8, 0xe4420d93c0f88cbe, 0xe6ae3356089b8015, 0xe8fbefe85ac1ec42, 0xe918df3f53392234,
	0xe97e6795c92527e6, 0xe9cee71ab932fde8, 0xea15960a11d1c31d, 0xea8a71bc966eebe0, 0xeaa191a36b4315af,
	0xec042e52cf3eb67f, 0xedcd235d8efe6e5b, 0xee10d76add432782, 0xee79976c9380d5e3, 0xeef1394ee3b80d9c,
	0xef92b778bafe771e, 0xf04cd9bb06b51d13, 0xf08f448a5e7a9dc3, 0xf0b8349db8dfa765, 0xf0d1351ae018314c,
	0xf165fcb2d2a13e15, 0xf1a9ac3acdc432e7, 0xf2bac92757882664, 0xf35e1f3ab16a065f, 0xf37495407e0278eb,
	0xf5da46c6724d53e3, 0xf5dec870b6b1f986, 0xf68e3ecda7398d56, 0xf6f5a396991c4d7f, 0xf78992cafd361a17,
	0xf931c308fc5b60b4, 0xfa6b7e7cc56e3f70, 0xfac718864d37e066, 0xfbfa7f37f4a62d86, 0xfc939b0bb62ba37d,
	0xfcd20dc1d9b6bec3,
};
/* clang-format on */

static int
compare_fingerprints(const void *a, const void *b)
{
	uint64 left = *(const uint64 *) a;
	uint64 right = *(const uint64 *) b;

	return left < right ? -1 : left > right;
}

bool
common_holds(const char *password, size_t length)
{
	uint8 lower[BCRYPT_PASSWORD_MAX];
	uint8 digest[DIGEST_SIZE];
	uint64 fingerprint;
	Status status;

	if (length > sizeof(lower))
		return false;
	for (size_t i = 0; i < length; i++)
		lower[i] = (uint8) pg_ascii_tolower((unsigned char) password[i]);
	status = digest_sha256(bytes_of(lower, length), digest);
	secret_wipe(lower, sizeof(lower));
	base_check(status);
	fingerprint = bytes_get_u64(digest);
	secret_wipe(digest, sizeof(digest));
	return bsearch(&fingerprint, fingerprints, lengthof(fingerprints), sizeof(fingerprint), compare_fingerprints) !=
		   NULL;
}
