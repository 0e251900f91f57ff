/**
 * Typed events of claims, proofs and settlement, from and to the form in which a node reports them: attributes whose
 * values are JSON. The simulated chain emits through this module what the miner reads through it.
 */
import { Result, Schema, SchemaTransformation } from "effect"
import { wholeNumber } from "./WholeNumber.ts"

/** An event as CometBFT reports it; key and value are plain text. */
export interface RawEvent {
  readonly type: string
  readonly attributes: ReadonlyArray<{ readonly key: string; readonly value: string }>
}

/** 64-bit integer: quoted by the chain; a bare one is read too. */
const Integer64 = wholeNumber(20, "a 64-bit integer")

/** Amount in uPOKT, written `12upokt`; a bare number is read too. */
const Upokt = Schema.String.check(
  Schema.isPattern(/^[0-9]{1,80}(?:upokt)?$/, { message: "Expected an amount in upokt" })
).pipe(
  Schema.decodeTo(
    Schema.BigInt,
    SchemaTransformation.transform<bigint, string>({
      decode: (text) => BigInt(text.replace("upokt", "")),
      encode: (amount) => `${amount}upokt`
    })
  )
)

/** One payment of a settled claim. `opReason` is an enum name of the chain, open. */
const Reward = Schema.Struct({ recipientAddress: Schema.String, opReason: Schema.String, amount: Upokt }).pipe(
  Schema.encodeKeys({ recipientAddress: "recipient_address", opReason: "op_reason" })
)

/** Fields that name the claim. `claimProofStatusInt`: 0 pending or not required, 1 validated, 2 invalid. */
const claim = {
  applicationAddress: Schema.String,
  claimProofStatusInt: Schema.Int,
  serviceId: Schema.String,
  sessionEndBlockHeight: Integer64,
  supplierOperatorAddress: Schema.String
}

/** What was claimed. Estimated units and relays are scaled by the difficulty, except units in `ClaimCreated`, `ClaimUpdated`. */
const usage = {
  claimedUpokt: Upokt,
  numRelays: Integer64,
  numClaimedComputeUnits: Integer64,
  numEstimatedComputeUnits: Integer64,
  numEstimatedRelays: Integer64
}

/**
 * The events by tag: the name of the chain's message without `Event`. Amounts are uPOKT, heights block heights.
 * `ClaimSettled.proofRequirementInt`: 0 not required, 1 probabilistic, 2 threshold; `mintRatio` is decimal text.
 * `SupplierSlashed.proofMissingPenalty` is what was really slashed.
 * Source: poktroll `proto/pocket/{proof,tokenomics}/event.proto`.
 */
export const ChainEvent = Schema.TaggedUnion({
  ClaimCreated: { ...claim, ...usage },
  ClaimUpdated: { ...claim, ...usage },
  ProofSubmitted: { ...claim, ...usage },
  ProofUpdated: { ...claim, ...usage },
  ProofValidityChecked: { ...claim, blockHeight: Integer64, failureReason: Schema.String },
  ClaimSettled: {
    ...claim,
    ...usage,
    proofRequirementInt: Schema.Int,
    settledUpokt: Upokt,
    mintedUpokt: Upokt,
    overservicingLossUpokt: Upokt,
    deflationLossUpokt: Upokt,
    mintRatio: Schema.String,
    sessionId: Schema.String,
    supplierOwnerAddress: Schema.String,
    rewardDistribution: Schema.Record(Schema.String, Upokt),
    rewardDistributionDetailed: Schema.Array(Reward)
  },
  ClaimExpired: { ...claim, ...usage, expirationReason: Schema.Literals(["PROOF_MISSING", "PROOF_INVALID"]) },
  ClaimDiscarded: { ...claim, error: Schema.String },
  ApplicationOverserviced: {
    applicationAddr: Schema.String,
    supplierOperatorAddr: Schema.String,
    expectedBurn: Upokt,
    effectiveBurn: Upokt,
    serviceId: Schema.String,
    sessionEndBlockHeight: Integer64,
    spendLimitExceeded: Schema.Boolean
  },
  SettlementBatch: {
    sessionEndBlockHeight: Integer64,
    senderModule: Schema.String,
    recipient: Schema.String,
    opReason: Schema.String,
    totalAmount: Upokt,
    numClaims: Schema.Union([Schema.Int, Schema.FiniteFromString]),
    opType: Schema.String
  },
  SupplierSlashed: { ...claim, proofMissingPenalty: Upokt, supplierStakeAfterSlash: Upokt }
})
export type ChainEvent = typeof ChainEvent.Type

/** An event of a known type whose attributes are missing or malformed. */
export class InvalidChainEvent extends Schema.TaggedError<InvalidChainEvent>()("InvalidChainEvent", {
  type: Schema.String,
  reason: Schema.String
}) {
  override get message(): string {
    return `event ${this.type}: ${this.reason}`
  }
}

/** Where an event comes from: the index of a transaction's message, or the end of the block. */
export type EventOrigin = { readonly messageIndex: number } | "EndBlock"

/** The chain's type of an event, such as `pocket.proof.EventClaimCreated`. */
export const eventType = (tag: ChainEvent["_tag"]): string => `${MODULES[tag]}.Event${tag}`

/** Reads an event; undefined for a type that is none of `ChainEvent`. Unknown attributes are ignored. */
export const decodeEvent = (raw: RawEvent): Result.Result<ChainEvent | undefined, InvalidChainEvent> => {
  const tag = TAGS.get(raw.type)
  if (tag === undefined) return Result.succeed(undefined)
  const fields: Record<string, unknown> = {}
  for (const { key, value } of raw.attributes) {
    if (PLAIN_KEYS.has(key)) continue
    const parsed = parseJson(value)
    if (parsed === undefined)
      return Result.fail(new InvalidChainEvent({ type: raw.type, reason: `${key} is not JSON` }))
    fields[toCamel(key)] = parsed.value ?? EMPTY_VALUES.get(key)
  }
  return Result.mapError(
    decodeFields({ ...fields, _tag: tag }),
    (error) => new InvalidChainEvent({ type: raw.type, reason: error.message })
  )
}

/** Index of the message of a transaction that emitted the event; undefined for events of blocks. */
export const messageIndexOf = (raw: RawEvent): number | undefined => {
  const index = raw.attributes.findLast(({ key }) => key === "msg_index")?.value
  return index !== undefined && /^[0-9]{1,9}$/.test(index) ? Number(index) : undefined
}

/** Writes an event as the chain does: attributes sorted by key, then `msg_index` or `mode` as plain text. */
export const encodeEvent = (event: ChainEvent, origin: EventOrigin): RawEvent => {
  const { _tag, ...fields } = encodeFields(event)
  const attributes = Object.entries(fields).map(([key, value]) => ({ key: toSnake(key), value: goJson(value) }))
  attributes.sort((a, b) => (a.key < b.key ? -1 : 1))
  return {
    type: eventType(_tag),
    attributes: [
      ...attributes,
      origin === "EndBlock"
        ? { key: "mode", value: origin }
        : { key: "msg_index", value: origin.messageIndex.toString() }
    ]
  }
}

/** The event that precedes the typed one of each message: what ran, for whom. `typeUrl` with leading slash. */
export const messageEvent = (typeUrl: string, sender: string, messageIndex: number): RawEvent => ({
  type: "message",
  attributes: [
    { key: "action", value: typeUrl },
    { key: "sender", value: sender },
    { key: "module", value: "proof" },
    { key: "msg_index", value: messageIndex.toString() }
  ]
})

const MODULES: { readonly [Tag in ChainEvent["_tag"]]: string } = {
  ClaimCreated: "pocket.proof",
  ClaimUpdated: "pocket.proof",
  ProofSubmitted: "pocket.proof",
  ProofUpdated: "pocket.proof",
  ProofValidityChecked: "pocket.proof",
  ClaimSettled: "pocket.tokenomics",
  ClaimExpired: "pocket.tokenomics",
  ClaimDiscarded: "pocket.tokenomics",
  ApplicationOverserviced: "pocket.tokenomics",
  SettlementBatch: "pocket.tokenomics",
  SupplierSlashed: "pocket.tokenomics"
}

// `Object.keys` of a record typed by its tags gives those tags.
const TAGS = new Map((Object.keys(MODULES) as Array<ChainEvent["_tag"]>).map((tag) => [eventType(tag), tag]))

/** Attributes that the SDK adds as plain text. */
const PLAIN_KEYS: ReadonlySet<string> = new Set(["msg_index", "mode"])

/** What a JSON null stands for. */
const EMPTY_VALUES: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["reward_distribution", {}],
  ["reward_distribution_detailed", []]
])

const decodeFields = Schema.decodeUnknownResult(ChainEvent)
const encodeFields = Schema.encodeSync(ChainEvent)

const parseJson = (text: string): { readonly value: unknown } | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return { value }
  } catch {
    // Not JSON: the caller names the attribute.
    return undefined
  }
}

/** JSON as Go's encoder writes it: map keys ascending, characters escaped that HTML would read. */
const goJson = (value: unknown): string =>
  JSON.stringify(sortMap(value)).replace(/[<>&\u2028\u2029]/g, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  })

const sortMap = (value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value

const toCamel = (key: string): string => key.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

const toSnake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
