/*
 * merkle_subtree.h
 *		What the two files of the tree share: roots of parts of it.
 */
#ifndef TSEC_MERKLE_SUBTREE_H
#define TSEC_MERKLE_SUBTREE_H

#include "merkle.h"

/*
 * The root of count leaves from begin on, where begin is a multiple of the
 * power of two that is not below count, as it is wherever RFC 6962 divides.
 */
extern Status merkle_subtree(uint64_t begin, uint64_t count, MerkleSource source, void *argument, MerkleHash *root);

#endif /* TSEC_MERKLE_SUBTREE_H */
