/** The `spool` section of the relayer: where mined relays wait while Redis is away. A section of this product only. */
import { NonEmptyText } from "./GoScalar.ts"
import { key, optional, section, type ValueOf } from "./ConfigReader.ts"
import { byteCount, flag } from "./KeyKinds.ts"

/** `spool`. Without a directory relays wait in memory and do not outlast the process. */
export const spool = section({
  directory: key(
    "dir",
    optional({
      codec: NonEmptyText,
      type: "path",
      meaning: "Directory of this relayer's spool alone; left out: mined relays that wait for Redis are kept in memory."
    })
  ),
  maxBytes: key(
    "max_bytes",
    byteCount({ fallback: "1073741824", least: 1_048_576 }, "Bytes of the spool; relays beyond it are refused, signed.")
  ),
  fsync: key("fsync", flag(true, "A spooled relay is on disk before it is answered; false: it survives a kill only."))
})
/** Value of `spool`. */
export type SpoolConfig = ValueOf<typeof spool>
