/*
 * manifest.h
 *		What an export holds: JSON of one spelling, so that it can hold nothing that
 *		is not checked, and no byte of it can be changed without meaning something else.
 *
 *		{
 *		  "format": "twin_security audit export",
 *		  "version": 1,
 *		  "first_leaf": 0,
 *		  "leaves": 1000,
 *		  "left": [],
 *		  "files": [
 *		    {"name": "leaves-0000000000000000000.seg", "bytes": 36, "sha256": "ab..."},
 *		    {"name": "checkpoints.txt", "bytes": 300, "sha256": "cd..."},
 *		    {"name": "keys.txt", "bytes": 80, "sha256": "ef..."},
 *		    {"name": "dropped.bin", "bytes": 12, "sha256": "01..."}
 *		  ]
 *		}
 *
 * "left" are the roots of the full subtrees before the first leaf, the largest
 * first, in base64: one for each bit that is set in first_leaf.  The numbers say
 * which files there are, and in which order: segments of SEGMENT_LEAVES_MAX leaves
 * that end at multiples of it, then the three others.
 */
#ifndef TSEC_MANIFEST_H
#define TSEC_MANIFEST_H

#include "segment.h"

#define MANIFEST_NAME "manifest.json"
#define MANIFEST_CHECKPOINTS "checkpoints.txt"
#define MANIFEST_KEYS "keys.txt"
#define MANIFEST_DROPPED "dropped.bin" /* dropped.h */
#define MANIFEST_NAME_SIZE 40          /* of any file's, with its final zero */
#define MANIFEST_HEAD_MAX 4096         /* bytes before the first file */
#define MANIFEST_FILE_MAX 256          /* bytes of a file's line */
#define MANIFEST_TAIL "  ]\n}\n"       /* after the last file */

typedef struct ManifestHead
{
	uint64_t first_leaf;
	uint64_t leaves;
	MerkleEdge left; /* of the tree of first_leaf leaves */
} ManifestHead;

typedef struct ManifestFile
{
	char name[MANIFEST_NAME_SIZE];
	uint64_t bytes;
	uint8_t sha256[DIGEST_SIZE];
} ManifestFile;

/* Segments of an export, and its files: three more. */
extern uint64_t manifest_segments(const ManifestHead *head);
extern uint64_t manifest_files(const ManifestHead *head);

/* The name of one of them, and for a segment which leaves it holds (count 0: none). */
extern void manifest_file_name(const ManifestHead *head, uint64_t number, char name[MANIFEST_NAME_SIZE],
							   SegmentHeader *segment);

/* Each writes its part as text with a final zero and returns its length. */
extern size_t manifest_write_head(const ManifestHead *head, char to[MANIFEST_HEAD_MAX]);
extern size_t manifest_write_file(const ManifestFile *file, bool is_last, char to[MANIFEST_FILE_MAX]);

/*
 * Each reads its part off the text and moves it on; false when it is not there in
 * its one spelling.  The name of a file is the one that its number gives it.
 */
extern bool manifest_read_head(Bytes *text, ManifestHead *head);
extern bool manifest_read_file(Bytes *text, const ManifestHead *head, uint64_t number, ManifestFile *file);
extern bool manifest_read_tail(Bytes *text);

#endif /* TSEC_MANIFEST_H */
