/** A miner whose keys are files: suppliers start and are handed over as files come and go, and the signer follows. */
import { rmSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { MemoryStores } from "../../../adapters/memory/MemoryStores.ts"
import { verify } from "../../../domain/keys/SupplierSignature.ts"
import { startMiner } from "../../../domain/mining/Miner.ts"
import { SupplierKeys } from "../../../domain/ports/SupplierKeys.ts"
import { SupplierAddress } from "../../../domain/protocol/Identifiers.ts"
import * as Keys from "../../../layers/Keys.ts"
import { inWorld, runBlocks } from "../../domain/mining/MinerWorld.ts"
import { addressed, addressesOf, first, makeFolder, second, third, until, write } from "./KeyFolder.ts"

const keyring = { backend: undefined, dir: undefined, appName: "pocket", keyNames: [] }

describe("a miner whose keys are files", () => {
  it.effect("serves the suppliers whose files are there", () =>
    Effect.gen(function* () {
      const keysDir = yield* makeFolder
      write(join(keysDir, "a.yaml"), addressed(first))
      yield* Effect.gen(function* () {
        const miner = yield* startMiner
        const keys = yield* SupplierKeys
        const owns = (...held: Parameters<typeof addressesOf>[0]) =>
          until(
            `to own ${held.length} suppliers`,
            () => Effect.runPromise(miner.suppliers).then((owned) => owned.join() === addressesOf(held).join()),
            runBlocks(1)
          )
        const message = new Uint8Array(32).fill(7)
        yield* owns(first)
        write(join(keysDir, "b.yaml"), addressed(second))
        write(join(keysDir, "c.yaml"), addressed(third))
        yield* owns(first, second, third)
        const signature = yield* keys.sign(SupplierAddress.make(second.address), message)
        assert.isTrue(verify(second.publicKey, message, signature))
        rmSync(join(keysDir, "a.yaml"))
        yield* owns(second, third)
        assert.isTrue(Option.isNone(yield* keys.publicKey(SupplierAddress.make(first.address))))
        yield* Effect.flip(keys.sign(SupplierAddress.make(first.address), message))
        // Given up, so that a replica that still has the key can go on.
        assert.isUndefined((yield* MemoryStores).supplier(first.address).fence)
      }).pipe(Effect.provide(Layer.fresh(Keys.layer({ keysFile: undefined, keysDir, keyring }, true))), Effect.scoped)
    }).pipe(inWorld())
  )
})
