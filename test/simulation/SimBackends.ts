/** Backends of the simulated services: they echo the call, and misbehave when the scenario says so. */
import { Effect, Layer } from "effect"
import { BackendFailed, type BackendRequest, Backends } from "../../domain/ports/Backends.ts"
import type { BackendAnswer } from "../../domain/relay/BackendAnswer.ts"
import { bytesToText, textToBytes } from "../../domain/wire/ByteText.ts"
import type { BackendMode } from "./Faults.ts"

/** What every answer of a backend contains and no refusal does. */
export const BACKEND_MARK = "answered by the backend"

/** Time that a slow backend takes, and that a call takes which times out, in milliseconds. */
const SLOW_MILLIS = 3_000
const TIMEOUT_MILLIS = 1_500

/** Backends in the mode that `modeOf` gives for a service now. */
export const layer = (modeOf: (service: string) => BackendMode | undefined): Layer.Layer<Backends> =>
  Layer.succeed(Backends, {
    forward: (request) =>
      Effect.suspend(() => {
        const failed = (reason: BackendFailed["reason"]) =>
          Effect.fail(new BackendFailed({ reason, service: request.service, rpcType: request.rpcType }))
        switch (modeOf(request.service)) {
          case undefined:
            return Effect.delay(Effect.succeed(answer(request, 200)), 5)
          case "status_500":
            return Effect.delay(Effect.succeed(answer(request, 503)), 5)
          case "slow":
            return Effect.delay(Effect.succeed(answer(request, 200)), SLOW_MILLIS)
          case "timeout":
            return Effect.delay(failed("timeout"), TIMEOUT_MILLIS)
          case "unreachable":
            return Effect.delay(failed("unreachable"), 2)
          case "too_large":
            return Effect.delay(failed("too_large"), 20)
          case "unhealthy":
            return failed("unhealthy")
        }
      }),
    isHealthy: (service) => Effect.sync(() => modeOf(service) !== "unhealthy")
  })

const answer = ({ payload }: BackendRequest, status: number): BackendAnswer => ({
  status,
  rawHeaders: [["Content-Type", "application/json"]],
  body: textToBytes(`{"result":"${BACKEND_MARK}","to":${bytesToText(payload.body)}}`),
  gunzipped: false
})
