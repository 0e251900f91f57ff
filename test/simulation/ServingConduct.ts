/**
 * Invariants 2 and 5: nothing is forwarded (unless optimistically), signed or mined before the ring signature was verified
 * by that very relayer, and what was charged stays within the application's share.
 */
import { bytesToHex } from "@noble/hashes/utils.js"
import { type Exit, Result } from "effect"
import { nodeSha256 } from "../../adapters/crypto/NodeSha256.ts"
import { relayCost, stakeShare } from "../../domain/meter/RelayCost.ts"
import type { BackendRequest } from "../../domain/ports/Backends.ts"
import type { MeterKey } from "../../domain/ports/MeterStore.ts"
import type { RelayLogEntry } from "../../domain/ports/RelayLog.ts"
import { decodeRelay } from "../../domain/relay/Relay.ts"
import { type RelayRequest, signableHash } from "../../domain/relay/RelayRequest.ts"
import { type RelayResponse, responseSignableHash } from "../../domain/relay/RelayResponse.ts"
import { bytesToText } from "../../domain/wire/ByteText.ts"
import { sharedAt, sharedLive } from "../../adapters/simchain/ChainState.ts"
import type { Step } from "./Gate.ts"
import type { SignedRequest } from "./RequestPool.ts"
import type { RunView } from "./RunView.ts"

/** What one counter of the meter must hold, in uPOKT. */
interface Account {
  readonly session: string
  readonly supplier: string
  readonly application: string
  readonly cost: bigint
  /** Cost of relays whose answers reached a gateway. */
  answered: bigint
  /** Cost that may have been charged beside: chunks and relays lost with a relayer or with a reply. */
  slack: bigint
  /** Consumption that went with a dropped counter: it may not begin at nothing for a relayer that still serves. */
  dropped: bigint
}

export class ServingConduct {
  readonly #view: RunView
  /** Order of things: counts verdicts and signatures. */
  #moment = 0
  /** Moment of the first good verdict by `replica|request hash`. */
  readonly #verified = new Map<string, number>()
  /** Moment of the first signature by `replica|response hash`. */
  readonly #signed = new Map<string, number>()
  /** Request hash by the body of its call. */
  readonly #requests = new Map<string, string>()
  /** Signed requests served, by `replica#incarnation|signature`. */
  readonly #served = new Set<string>()
  readonly #accounts = new Map<string, Account>()
  /** Highest limit of each application's session so far, by `application|session end`. */
  readonly #limits = new Map<string, bigint>()
  /** Whether some relays may have been served without a charge. */
  uncharged = false

  constructor(view: RunView) {
    this.#view = view
  }

  /** The gateway is about to send a request. */
  sending({ body, hash }: SignedRequest): void {
    this.#requests.set(body, bytesToHex(hash))
  }

  /** Just before a step takes effect. */
  entering(step: Step): void {
    if (step.operation !== "MeterStore.drop") return
    // The port's argument.
    const { session, supplier } = step.args[0] as MeterKey
    const account = this.#accounts.get(`${session}|${supplier}`)
    if (account !== undefined) account.dropped += this.#view.stores.meters.get(`${session}|${supplier}`) ?? 0n
  }

  begin(step: Step): void {
    if (step.operation !== "Backends.forward") return
    // The port's argument.
    const call = step.args[0] as BackendRequest
    const service = this.#view.scenario.services.find(({ id }) => id === call.service)
    if (service?.validation !== "eager") return
    const body = bytesToText(call.payload.body)
    if (!this.#verified.has(`${step.replica}|${this.#requests.get(body)}`)) {
      this.#view.violate("S2", `${step.replica} forwards ${body}, which it has not verified`)
    }
  }

  effected(step: Step, exit: Exit.Exit<unknown, unknown>): void {
    switch (step.operation) {
      case "RingVerifier.verify":
        if (exit._tag === "Success" && exit.value === true) {
          remember(this.#verified, `${step.replica}|${bytesToHex(step.args[0] as Uint8Array)}`, ++this.#moment)
        }
        return
      case "SupplierKeys.sign":
        remember(this.#signed, `${step.replica}|${bytesToHex(step.args[1] as Uint8Array)}`, ++this.#moment)
        return
      case "RelayLog.append":
        return this.#appended(step, step.args[0] as RelayLogEntry)
      case "MeterStore.take":
        // The port's argument names the counter.
        return this.#checkCounter((step.args[0] as { readonly key: MeterKey }).key)
    }
  }

  /** A served relay reached its gateway. */
  answered(
    replica: string,
    incarnation: number,
    request: RelayRequest,
    requestHash: Uint8Array,
    response: RelayResponse
  ): void {
    const once = `${replica}#${incarnation}|${bytesToHex(request.meta.signature)}`
    if (this.#served.has(once)) this.#view.violate("S5", `${replica} served one signed request twice`)
    this.#served.add(once)
    const verified = this.#verified.get(`${replica}|${bytesToHex(requestHash)}`)
    const signed = this.#signed.get(`${replica}|${bytesToHex(responseSignableHash(response, nodeSha256))}`)
    if (verified === undefined) this.#view.violate("S2", `${replica} served a request that it did not verify`)
    else if (signed === undefined || signed < verified) {
      this.#view.violate("S2", `${replica} signed a response before the request was verified`)
    }
    const account = this.account(request)
    if (account === undefined) return
    account.answered += account.cost
    const limit = this.limitOf(account)
    if (!this.uncharged && account.answered > limit) {
      this.#view.violate(
        "S5",
        `${account.supplier} served ${account.answered} uPOKT in ${account.session}, the limit is ${limit}`
      )
    }
  }

  /** The counter that pays for the request. */
  account(request: RelayRequest): Account | undefined {
    const header = request.meta.sessionHeader
    if (header === undefined) return undefined
    const supplier = request.meta.supplierOperatorAddress
    const key = `${header.sessionId}|${supplier}`
    const known = this.#accounts.get(key)
    if (known !== undefined) return known
    const service = this.#view.scenario.services.find(({ id }) => id === header.serviceId)
    const account: Account = {
      session: header.sessionId,
      supplier,
      application: `${header.applicationAddress}|${header.sessionEndBlockHeight}`,
      cost: relayCost(
        service?.computeUnitsPerRelay ?? 0n,
        sharedAt(this.#view.chain(), header.sessionStartBlockHeight)
      ),
      answered: 0n,
      slack: 0n,
      dropped: 0n
    }
    this.#accounts.set(key, account)
    this.#observe(account.application)
    return account
  }

  /** Every counter of this run. */
  get accounts(): Iterable<Account> {
    return this.#accounts.values()
  }

  /** Something was lost that may have been charged: a chunk for every counter, or one relay of one. */
  forgive(account?: Account): void {
    for (const each of account === undefined ? this.#accounts.values() : [account]) {
      each.slack += account === undefined ? chunkOf(this.limitOf(each), each.cost) + 4n * each.cost : each.cost
    }
  }

  /** A block is committed: limits may have changed. */
  block(): void {
    for (const key of this.#limits.keys()) this.#observe(key)
  }

  limitOf({ application }: Account): bigint {
    return this.#limits.get(application) ?? 0n
  }

  #checkCounter({ session, supplier }: MeterKey): void {
    const account = this.#accounts.get(`${session}|${supplier}`)
    if (account === undefined) return
    const consumed = account.dropped + (this.#view.stores.meters.get(`${session}|${supplier}`) ?? 0n)
    const limit = this.limitOf(account)
    if (consumed > limit) {
      this.#view.violate("S5", `${consumed} uPOKT are taken of ${session} for ${supplier}, the limit is ${limit}`)
    }
  }

  #observe(key: string): void {
    const [address = "", end = "0"] = key.split("|")
    const chain = this.#view.chain()
    const stake = chain.applications.get(address)?.stake ?? 0n
    const { numSuppliersPerSession } = chain.params.session.live
    const shares = [sharedLive(chain), sharedAt(chain, BigInt(end))].map((params) =>
      stakeShare(stake, numSuppliersPerSession, params)
    )
    const highest = shares.reduce((a, b) => (a > b ? a : b), this.#limits.get(key) ?? 0n)
    this.#limits.set(key, highest)
  }

  #appended(step: Step, { relay }: RelayLogEntry): void {
    const decoded = decodeRelay(relay.relayBytes)
    if (Result.isFailure(decoded)) return this.#view.violate("S2", `${step.replica} mined what is no relay`)
    const { request, response } = decoded.success
    if (request === undefined || response === undefined) {
      return this.#view.violate("S2", `${step.replica} mined half a relay`)
    }
    if (response.relayMinerError !== undefined) this.#view.violate("S2", `${step.replica} mined a refusal`)
    if (!this.#verified.has(`${step.replica}|${bytesToHex(signableHash(request, nodeSha256))}`)) {
      this.#view.violate("S2", `${step.replica} mined a relay that it did not verify`)
    }
  }
}

/** Most that one relayer holds of a counter: a hundredth, of a small limit 8 relays or a sixteenth, at least one relay. */
export const chunkOf = (limit: bigint, cost: bigint): bigint => {
  if (cost === 0n) return 0n
  const all = limit / cost
  const relays = all >= 800n ? all / 100n : all >= 128n ? 8n : all >= 16n ? all / 16n : 1n
  return cost * relays
}

const remember = (memory: Map<string, number>, key: string, moment: number): void => {
  if (!memory.has(key)) memory.set(key, moment)
}
