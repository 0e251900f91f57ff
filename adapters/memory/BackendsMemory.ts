/** `Backends` in this process: an answer is a function of the request. For tests and the simulation. */
import { type Duration, Effect, Layer } from "effect"
import { BackendFailed, type BackendRequest, Backends, type RpcType } from "../../domain/ports/Backends.ts"
import type { BackendAnswer } from "../../domain/relay/BackendAnswer.ts"

/** What answers one service over one transport. */
export interface MemoryBackend {
  readonly service: string
  readonly rpcType: RpcType
  readonly answer: (request: BackendRequest) => Effect.Effect<BackendAnswer, BackendFailed>
  /** Whole time of one relay. */
  readonly timeout: Duration.Duration
  /** Largest answer in bytes, inclusive. */
  readonly maxAnswerBytes: number
}

/** These backends, all of them healthy. */
export const layer = (backends: ReadonlyArray<MemoryBackend>): Layer.Layer<Backends> => {
  const find = (service: string, rpcType: RpcType) =>
    backends.find((backend) => backend.service === service && backend.rpcType === rpcType)
  const failed = ({ service, rpcType }: BackendRequest, reason: BackendFailed["reason"], limit?: number) =>
    Effect.fail(new BackendFailed({ reason, service, rpcType, ...(limit === undefined ? {} : { limit }) }))
  return Layer.succeed(Backends, {
    forward: (request) => {
      const backend = find(request.service, request.rpcType)
      if (backend === undefined) return failed(request, "unhealthy")
      return Effect.suspend(() => backend.answer(request)).pipe(
        Effect.timeoutOrElse({ duration: backend.timeout, orElse: () => failed(request, "timeout") }),
        Effect.flatMap((answer) =>
          answer.body.length > backend.maxAnswerBytes
            ? failed(request, "too_large", backend.maxAnswerBytes)
            : Effect.succeed(answer)
        )
      )
    },
    isHealthy: (service, rpcType) => Effect.succeed(find(service, rpcType) !== undefined)
  })
}
