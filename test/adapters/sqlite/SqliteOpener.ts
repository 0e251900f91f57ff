/** A process that opens a data directory, says so, and keeps it until it is killed. `node SqliteOpener.ts DIR` */
import { openFile } from "../../../adapters/sqlite/SqliteFile.ts"

const database = openFile(process.argv[2] ?? "")
console.log("open")
setInterval(() => database.isOpen, 1_000)
