/** Queries as typed messages over a pool of endpoints: encoded, asked, decoded, and read into a record of the domain. */
import { create, type DescMessage, type DescMethod, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf"
import { Effect, Option, Result } from "effect"
import { InvalidChainRecord } from "../../domain/chain/Coin.ts"
import { decodeQuery, encodeQuery, type QueryDecodeError } from "../../domain/chain/QueryMessages.ts"
import { ChainUnavailable } from "../../domain/ports/Blocks.ts"
import { EndpointFailed } from "./EndpointFailed.ts"
import type { EndpointPool } from "./EndpointPool.ts"
import { ArgumentRefused, type QueryTransport, RecordNotFound } from "./QueryTransport.ts"

/** What was read, and the height of the state it was read from; undefined when the endpoint does not tell. */
export interface Answered<A> {
  readonly value: A
  readonly height: bigint | undefined
}

/** One question: where it goes, what it says, how its answer is read. */
export interface Question<Request extends DescMessage, Response extends DescMessage, A> {
  /** Name of the read for errors and metrics, a literal. */
  readonly operation: string
  readonly method: DescMethod & { readonly input: Request; readonly output: Response }
  readonly request: MessageInitShape<Request>
  /** An answer that cannot be read is the endpoint's fault: the next one is asked. */
  readonly read: (message: MessageShape<Response>) => Result.Result<A, InvalidChainRecord>
  /** State to read; the latest if left out. */
  readonly height?: bigint
  /** An endpoint whose latest state is older is passed over, and asked again later; it is none the worse for that. */
  readonly notBefore?: bigint
}

/** What an endpoint says instead of an answer. */
export type QueryFailure = RecordNotFound | ArgumentRefused | EndpointFailed

/** Asks the endpoints of a pool. */
export interface QueryCalls {
  /** `refusal` makes an answer of its own of what an endpoint says; all else is `ChainUnavailable`. */
  readonly ask: <Request extends DescMessage, Response extends DescMessage, A, E = never>(
    question: Question<Request, Response, A>,
    refusal?: (failure: QueryFailure) => E | undefined
  ) => Effect.Effect<Answered<A>, E | ChainUnavailable>
  /** What is read, whatever the height. */
  readonly get: <Request extends DescMessage, Response extends DescMessage, A>(
    question: Question<Request, Response, A>
  ) => Effect.Effect<A, ChainUnavailable>
  /** None when the chain says that the record is not there. */
  readonly find: <Request extends DescMessage, Response extends DescMessage, A>(
    question: Question<Request, Response, A>
  ) => Effect.Effect<Option.Option<A>, ChainUnavailable>
}

/** Questions over the pool. `noteHeight` hears which height an endpoint answered for the latest. */
export const makeQueryCalls = (
  pool: EndpointPool<QueryTransport>,
  noteHeight: (endpoint: string, height: bigint) => Effect.Effect<void>
): QueryCalls => {
  const ask: QueryCalls["ask"] = <Request extends DescMessage, Response extends DescMessage, A, E = never>(
    { operation, method, request, read, height, notBefore }: Question<Request, Response, A>,
    refusal?: (failure: QueryFailure) => E | undefined
  ) => {
    const path = pathOf(method)
    const bytes = encodeQuery(method.input, create(method.input, request))
    const answered = pool.run<Answered<A> | RecordNotFound | ArgumentRefused, E>(operation, (transport, endpoint) =>
      transport.unary(path, bytes, height).pipe(
        Effect.tap((reply) =>
          height === undefined && reply.height !== undefined ? noteHeight(endpoint, reply.height) : Effect.void
        ),
        Effect.flatMap((reply): Effect.Effect<Answered<A>, EndpointFailed> => {
          if (notBefore !== undefined && reply.height !== undefined && reply.height < notBefore) {
            const detail = `its state is of height ${reply.height}, asked was ${notBefore} or later`
            return Effect.fail(new EndpointFailed({ endpoint, operation, kind: "stale", detail }))
          }
          const answer = readAnswer(method.output, reply.bytes, read)
          return Result.isSuccess(answer)
            ? Effect.succeed({ value: answer.success, height: reply.height })
            : Effect.fail(
                new EndpointFailed({ endpoint, operation, kind: "undecodable", detail: answer.failure.message })
              )
        }),
        Effect.catch((failure): Effect.Effect<RecordNotFound | ArgumentRefused, E | EndpointFailed> => {
          const own = refusal?.(failure)
          if (own !== undefined) return Effect.fail(own)
          return failure._tag === "EndpointFailed" ? Effect.fail(failure) : Effect.succeed(failure)
        })
      )
    )
    return Effect.flatMap(answered, (answer) =>
      answer instanceof RecordNotFound || answer instanceof ArgumentRefused
        ? Effect.fail(new ChainUnavailable({ operation, cause: answer }))
        : Effect.succeed(answer)
    )
  }
  return {
    ask,
    get: (question) => Effect.map(ask(question), ({ value }) => value),
    find: (question) =>
      ask(question, (failure) => (failure._tag === "RecordNotFound" ? failure : undefined)).pipe(
        Effect.map(({ value }) => Option.some(value)),
        Effect.catchTag("RecordNotFound", () => Effect.succeedNone)
      )
  }
}

const readAnswer = <Response extends DescMessage, A>(
  type: Response,
  bytes: Uint8Array,
  read: (message: MessageShape<Response>) => Result.Result<A, InvalidChainRecord>
): Result.Result<A, InvalidChainRecord | QueryDecodeError> => {
  const decoded = decodeQuery(type, bytes)
  return Result.isSuccess(decoded) ? read(decoded.success) : Result.fail(decoded.failure)
}

/** gRPC path of a method: `/<package>.<Service>/<Method>`. */
export const pathOf = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`

/** Reads a field that every answer has. */
export const required = <A, B>(
  value: A | undefined,
  record: string,
  read: (value: A) => Result.Result<B, InvalidChainRecord>
): Result.Result<B, InvalidChainRecord> =>
  value === undefined
    ? Result.fail(new InvalidChainRecord({ record, field: "answer", reason: "is empty" }))
    : read(value)

/** The record is the one that was asked for: an endpoint that mixes up answers is not believed. */
export const sameAs =
  <A>(asked: string, record: string, field: string, of: (value: A) => string | undefined) =>
  (value: A): Result.Result<A, InvalidChainRecord> =>
    of(value) === asked
      ? Result.succeed(value)
      : Result.fail(new InvalidChainRecord({ record, field, reason: `is "${of(value)}", asked was "${asked}"` }))
