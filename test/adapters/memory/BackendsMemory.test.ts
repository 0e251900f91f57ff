import { Effect } from "effect"
import * as BackendsMemory from "../../../adapters/memory/BackendsMemory.ts"
import { BackendFailed } from "../../../domain/ports/Backends.ts"
import { bytesToText, textToBytes } from "../../../domain/wire/ByteText.ts"
import { backendsContract, type Conduct, MAX_ANSWER_BYTES, SERVICE, TIMEOUT } from "../../contract/BackendsContract.ts"

backendsContract(
  "in memory",
  Effect.sync(() => {
    let conduct: Conduct = "hangs"
    const arrived: Array<string> = []
    let givenUp = 0
    return {
      set: (next) => void (conduct = next),
      arrived: () => arrived,
      givenUp: () => givenUp,
      layer: BackendsMemory.layer([
        {
          service: SERVICE,
          rpcType: "jsonrpc",
          timeout: TIMEOUT,
          maxAnswerBytes: MAX_ANSWER_BYTES,
          answer: ({ payload, rpcType, service }) => {
            arrived.push(bytesToText(payload.body))
            if (conduct === "hangs") return Effect.onInterrupt(Effect.never, () => Effect.sync(() => void givenUp++))
            if (conduct === "breaks off")
              return Effect.fail(new BackendFailed({ reason: "unreachable", service, rpcType }))
            return Effect.succeed({
              status: conduct.answers,
              rawHeaders: Object.entries(conduct.headers),
              body: textToBytes(conduct.body),
              gunzipped: false
            })
          }
        }
      ])
    }
  })
)
