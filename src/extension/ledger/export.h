/*
 * export.h
 *		The files of an export: a folder that is filled beside its place and renamed,
 *		so it is whole or not there; nothing that exists is ever written over.
 */
#ifndef TSEC_LEDGER_EXPORT_H
#define TSEC_LEDGER_EXPORT_H

#include "ledger/private.h"

#include "common/manifest.h"

typedef struct ExportFolder ExportFolder;

/* Makes a folder for a name; raises where exports are switched off, or the name is taken or none. */
extern ExportFolder *export_folder_make(const char *name);

/* One file at a time: begun, written, and closed when it lies on the disk.  Raise when that fails. */
extern void export_file_begin(ExportFolder *folder, const char *name);
extern void export_file_write(ExportFolder *folder, const void *bytes, size_t length);
extern void export_file_end(ExportFolder *folder, ManifestFile *file);

/* Gives the folder its name. */
extern void export_folder_finish(ExportFolder *folder);

/* Takes back what was written; raises nothing. */
extern void export_folder_abandon(ExportFolder *folder);

#endif /* TSEC_LEDGER_EXPORT_H */
