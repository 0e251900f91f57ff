/**
 * Tables, as steps from one version of the file to the next. A step that was released does not change any more; a new one
 * is added at the end.
 */

/** Marks the file as ours: `RLML` (SQLite's `application_id`). */
export const APPLICATION_ID = 0x52_4c_4d_4c

/**
 * Version 1. Relays of the log leave by acknowledgement. Leaves are append-only: one row each, in one run for each commit
 * with all their digests, so that neither a leaf nor the tail costs an index entry. Inner nodes come in runs too, and so
 * do the digests of those given up (`gone_before`: leaves of that number or a later one were stored since); a row and an
 * index entry for each node took 9 µs instead of 1. A trie that has ended is deleted in small steps, as its rows are many.
 */
const tables = `
CREATE TABLE supplier (
  no INTEGER PRIMARY KEY, address TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL,
  last_time INTEGER NOT NULL, last_sequence INTEGER NOT NULL
) STRICT;
CREATE TABLE entry (
  sequence INTEGER PRIMARY KEY, supplier INTEGER NOT NULL, time INTEGER NOT NULL, traceparent TEXT, bytes INTEGER NOT NULL,
  data BLOB NOT NULL
) STRICT;
CREATE INDEX entry_by_supplier ON entry (supplier, sequence, bytes);
CREATE TABLE aside (
  no INTEGER PRIMARY KEY, supplier INTEGER NOT NULL REFERENCES supplier, sequence INTEGER NOT NULL,
  time INTEGER NOT NULL, traceparent TEXT, reason TEXT NOT NULL, data BLOB NOT NULL
) STRICT;
CREATE INDEX aside_by_supplier ON aside (supplier, no);
CREATE TABLE trie (no INTEGER PRIMARY KEY, ended INTEGER NOT NULL) STRICT;
CREATE INDEX trie_ended ON trie (no) WHERE ended = 1;
CREATE TABLE session (
  no INTEGER PRIMARY KEY, supplier INTEGER NOT NULL REFERENCES supplier, id TEXT NOT NULL, version INTEGER NOT NULL,
  trie INTEGER NOT NULL REFERENCES trie, root BLOB NOT NULL, count TEXT NOT NULL, sum TEXT NOT NULL,
  live_root BLOB, sealed_root BLOB, leaves INTEGER NOT NULL, covered INTEGER NOT NULL, events INTEGER NOT NULL,
  UNIQUE (supplier, id)
) STRICT;
CREATE INDEX session_by_trie ON session (trie);
CREATE TABLE event (
  session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE, place INTEGER NOT NULL, json TEXT NOT NULL,
  PRIMARY KEY (session, place)
) STRICT, WITHOUT ROWID;
CREATE TABLE leaf (no INTEGER PRIMARY KEY, encoding BLOB NOT NULL) STRICT;
CREATE TABLE leaf_run (
  first_leaf INTEGER PRIMARY KEY, trie INTEGER NOT NULL REFERENCES trie, place INTEGER NOT NULL, digests BLOB NOT NULL
) STRICT;
CREATE INDEX leaf_run_by_trie ON leaf_run (trie, place);
CREATE TABLE node_run (
  no INTEGER PRIMARY KEY, trie INTEGER NOT NULL REFERENCES trie, place INTEGER NOT NULL, gone_before INTEGER,
  digests BLOB NOT NULL, encodings BLOB NOT NULL
) STRICT;
CREATE INDEX node_run_by_trie ON node_run (trie, place);
CREATE TABLE intent (
  no INTEGER PRIMARY KEY, supplier INTEGER NOT NULL REFERENCES supplier, tx_hash TEXT NOT NULL, json TEXT NOT NULL,
  tx BLOB NOT NULL, UNIQUE (supplier, tx_hash)
) STRICT;
CREATE TABLE meter (
  session TEXT NOT NULL, supplier TEXT NOT NULL, session_end INTEGER NOT NULL, consumed TEXT NOT NULL,
  PRIMARY KEY (session, supplier)
) STRICT;
CREATE INDEX meter_by_end ON meter (session_end);
CREATE TABLE cache (
  key TEXT PRIMARY KEY, no INTEGER NOT NULL UNIQUE, expires_at INTEGER, value BLOB NOT NULL
) STRICT;
CREATE TABLE cache_member (key TEXT NOT NULL, member TEXT NOT NULL, PRIMARY KEY (key, member)) STRICT, WITHOUT ROWID;
`

/** The steps: the first makes version 1 of an empty file. */
export const migrations: ReadonlyArray<string> = [tables]
