/**
 * Hints that keys on disk may have changed. They make a change show soon; that it shows at all is up to regular looks.
 * Folders are watched, not files, because files are replaced by renaming, and every watch is opened anew for each look,
 * because a folder that was replaced leaves its watch deaf.
 */
import { type FSWatcher, watch } from "node:fs"
import { realpath } from "node:fs/promises"
import { basename, dirname, resolve } from "node:path"
import { Effect, Option, type Scope } from "effect"

/** A file or folder of a source. */
export interface WatchedPlace {
  readonly path: string
  readonly kind: "file" | "folder"
}

/** A folder to watch: for every event, or for those of one entry. */
interface Watched {
  readonly folder: string
  readonly entry: string | undefined
}

/** Opens the watches for the folders as they are now and closes the earlier ones. Folders that cannot be watched are left out. */
export type RenewWatches = Effect.Effect<void>

/** Watches these places until the scope ends, from the first renewal on. `hint` may be called often and from anywhere. */
export const watchPlaces = (
  places: ReadonlyArray<WatchedPlace>,
  hint: () => void
): Effect.Effect<RenewWatches, never, Scope.Scope> =>
  Effect.gen(function* () {
    let open: ReadonlyArray<FSWatcher> = []
    yield* Effect.addFinalizer(() => Effect.sync(() => open.forEach((watcher) => watcher.close())))
    return Effect.gen(function* () {
      const watched = (yield* Effect.forEach(places, foldersOf)).flat()
      const before = open
      open = watched.flatMap((one) => openWatch(one, hint))
      // Closed after the new ones are open: nothing that happens in between is missed.
      before.forEach((watcher) => watcher.close())
    })
  })

/**
 * The folder that a path is in, and that folder's entry in the one above. A linked file also lies in another folder.
 * Kubernetes changes only `..data` in the folder of the file: every event there counts.
 */
const foldersOf = Effect.fnUntraced(function* ({ path, kind }: WatchedPlace) {
  const folder = kind === "folder" ? resolve(path) : dirname(resolve(path))
  const real = yield* Effect.option(Effect.tryPromise(() => realpath(path)))
  const target = Option.filter(real, (found) => kind === "file" && dirname(found) !== folder)
  const watched: ReadonlyArray<Watched> = [
    { folder, entry: undefined },
    { folder: dirname(folder), entry: basename(folder) },
    ...Option.match(target, { onNone: () => [], onSome: (found) => [{ folder: dirname(found), entry: undefined }] })
  ]
  return watched
})

const openWatch = ({ folder, entry }: Watched, hint: () => void): ReadonlyArray<FSWatcher> => {
  try {
    const watcher = watch(folder, { persistent: false }, (_, name) => {
      if (entry === undefined || name === null || name === entry) hint()
    })
    watcher.on("error", () => watcher.close())
    return [watcher]
  } catch {
    // The folder is missing, or the system's watches are used up: the regular looks go on.
    return []
  }
}
