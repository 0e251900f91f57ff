/** Gateways: send ring-signed requests to relayers, check the signed answers, and tell the checks what they were promised. */
import { Effect, Option, Result } from "effect"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import { ApplicationAddress, ServiceId } from "../../domain/protocol/Identifiers.ts"
import { decodeHttpResponse } from "../../domain/relay/PoktHttp.ts"
import { dehydrate, relayHash } from "../../domain/relay/Relay.ts"
import { BASE_TARGET, isApplicable } from "../../domain/relay/RelayDifficulty.ts"
import { decodeRelayResponse, type RelayResponse, responseSignableHash } from "../../domain/relay/RelayResponse.ts"
import type { RelayAnswer } from "../../domain/relay/ServeRelay.ts"
import { isSameSessionHeader } from "../../domain/relay/SessionHeader.ts"
import { bytesToText } from "../../domain/wire/ByteText.ts"
import { applications, suppliers } from "./Actors.ts"
import type { RelayerReplica } from "./Replica.ts"
import { type SignedRequest, signedRequest, verifySignature } from "./RequestPool.ts"
import type { PlannedRequest } from "./Scenario.ts"
import { BACKEND_MARK } from "./SimBackends.ts"
import type { World } from "./World.ts"

/** How the requests of a run ended, by cause. */
export interface TrafficTally {
  readonly outcomes: Map<string, number>
  served: number
}

/** Sends all requests at their times; each is a fiber of the run. */
export const startTraffic = (world: World, tally: TrafficTally): void => {
  const { requests, faults } = world.view.scenario
  for (const [nth, planned] of requests.entries()) {
    const duplicates = faults.filter((fault) => fault._tag === "DuplicateRequest" && fault.nth === nth)
    const late = faults.find((fault) => fault._tag === "LateRequest" && fault.nth === nth)
    const hangUp = faults.find((fault) => fault._tag === "HangUp" && fault.nth === nth)
    for (const fault of [...duplicates, late, hangUp]) if (fault !== undefined) world.injection.fired.add(fault)
    world.fork(
      Effect.gen(function* () {
        yield* Effect.sleep(planned.at)
        const signed = yield* prepare(world, planned)
        if (signed === undefined) return
        if (late?._tag === "LateRequest") yield* Effect.sleep(late.after)
        const send = (relayer: number, patience: number | undefined) =>
          Effect.flatMap(exchange(world, signed, relayer, patience), (outcome) =>
            Effect.sync(() => judge(world, tally, planned, signed, outcome))
          )
        for (const duplicate of duplicates) {
          if (duplicate._tag !== "DuplicateRequest") continue
          const elsewhere = duplicate.elsewhere ? planned.relayer + 1 : planned.relayer
          world.fork(Effect.delay(send(elsewhere, undefined), duplicate.after))
        }
        yield* send(planned.relayer, hangUp?._tag === "HangUp" ? hangUp.after : undefined)
      })
    )
  }
}

/** The request for the session that is on now. */
const prepare = (world: World, planned: PlannedRequest) =>
  Effect.gen(function* () {
    const application = applications[planned.application]
    const service = world.view.scenario.services[planned.service]
    const supplier = suppliers[planned.supplier]
    if (application === undefined || service === undefined || supplier === undefined) return undefined
    const found = yield* Effect.option(
      world.observer.query.session(ApplicationAddress.make(application.address), ServiceId.make(service.id), 0n)
    )
    if (Option.isNone(found)) return undefined
    const signed = signedRequest(application, found.value.header, supplier.address, planned.serial, planned.defect)
    world.serving.sending(signed)
    world.serving.account(signed.request)
    return signed
  })

interface Exchange {
  readonly relayer: RelayerReplica | undefined
  readonly incarnation: number
  readonly answer: Option.Option<RelayAnswer>
}

/** Asks the relayer, or the next one that accepts relays. */
const exchange = (
  world: World,
  signed: SignedRequest,
  wanted: number,
  patience: number | undefined
): Effect.Effect<Exchange> =>
  Effect.suspend((): Effect.Effect<Exchange> => {
    const { relayers } = world
    const order = relayers.map((_, index) => relayers[(wanted + index) % relayers.length])
    const relayer = order.find((candidate) => candidate?.accepts === true)
    if (relayer === undefined) return Effect.succeed({ relayer, incarnation: 0, answer: Option.none() })
    const { incarnation } = relayer
    return Effect.map(
      relayer.serve({ body: signed.bytes, rpcType: undefined, headers: {}, peer: "gateway" }, patience),
      (answer) => ({ relayer, incarnation, answer })
    )
  })

/** What the gateway makes of it. */
const judge = (
  world: World,
  tally: TrafficTally,
  planned: PlannedRequest,
  signed: SignedRequest,
  { relayer, incarnation, answer }: Exchange
): void => {
  const note = (outcome: string) => {
    tally.outcomes.set(outcome, (tally.outcomes.get(outcome) ?? 0) + 1)
    world.record(`gateway ${signed.body.slice(7, 40)} ${outcome}`)
  }
  const account = world.serving.account(signed.request)
  if (relayer === undefined) return note("no_relayer")
  if (Option.isNone(answer)) {
    world.serving.forgive(account)
    return note("no_answer")
  }
  const { refusal, body, contentType } = answer.value
  if (contentType !== "application/x-protobuf") {
    if (bytesToText(body).includes(BACKEND_MARK))
      world.view.violate("S2", `a plain refusal carries the backend's bytes`)
    return note(refusal ?? "plain")
  }
  const decoded = decodeRelayResponse(body)
  if (Result.isFailure(decoded)) return world.view.violate("S2", "an answer is no RelayResponse")
  const response = decoded.success
  if (!isSigned(signed, response)) return world.view.violate("S2", `${relayer.name} answered without a good signature`)
  if (response.relayMinerError !== undefined) {
    if (bytesToText(response.payload).includes(BACKEND_MARK)) {
      world.view.violate("S2", `a refusal (${refusal}) carries the backend's bytes`)
    }
    return note(refusal ?? "refused")
  }
  if (planned.defect !== "none") {
    world.view.violate("S2", `${relayer.name} served a request that is ${planned.defect}`)
  }
  const call = decodeHttpResponse(response.payload)
  const status = Result.isSuccess(call) ? call.success.statusCode : 0
  if (status >= 500) return note("backend_error")
  if (!bytesToText(response.payload).includes(signed.body)) {
    world.view.violate("S2", `${relayer.name} answered another request`)
  }
  tally.served++
  promise(world, relayer, incarnation, planned, signed, response)
  note("served")
}

/** From here on the relay must not be lost, if it counts. */
const promise = (
  world: World,
  relayer: RelayerReplica,
  incarnation: number,
  planned: PlannedRequest,
  signed: SignedRequest,
  response: RelayResponse
): void => {
  const { request, hash } = signed
  const header = request.meta.sessionHeader
  const service = world.view.scenario.services[planned.service]
  if (header === undefined || service === undefined) return
  world.serving.answered(relayer.name, incarnation, request, hash, response)
  const relayBytes = dehydrate(request, response)
  if (!isApplicable(relayHash(relayBytes, nodeSha256), service.target ?? BASE_TARGET)) return
  const supplier = request.meta.supplierOperatorAddress
  world.accounting.remember(
    {
      relayHash: relayHash(relayBytes, nodeSha256),
      relayBytes,
      computeUnitsPerRelay: service.computeUnitsPerRelay,
      sessionId: header.sessionId,
      sessionEndHeight: header.sessionEndBlockHeight,
      supplierOperatorAddress: supplier,
      serviceId: header.serviceId,
      applicationAddress: header.applicationAddress,
      arrivalBlockHeight: 0n,
      publishedAtUnixNano: 0n,
      sessionStartHeight: header.sessionStartBlockHeight
    },
    true
  )
  world.accounting.check(supplier)
}

const isSigned = ({ request }: SignedRequest, response: RelayResponse): boolean => {
  const supplier = suppliers.find(({ address }) => address === request.meta.supplierOperatorAddress)
  const { sessionHeader, supplierOperatorSignature } = response.meta
  return (
    supplier !== undefined &&
    sessionHeader !== undefined &&
    request.meta.sessionHeader !== undefined &&
    isSameSessionHeader(sessionHeader, request.meta.sessionHeader) &&
    verifySignature(supplier.publicKey, responseSignableHash(response, nodeSha256), supplierOperatorSignature)
  )
}
