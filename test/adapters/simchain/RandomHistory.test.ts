/** Any history of operations, claims and params changes: what must hold at every height. */
import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import {
  delegate,
  stakeApplication,
  undelegate,
  unstakeApplication
} from "../../../adapters/simchain/ApplicationLifecycle.ts"
import { totalSupply } from "../../../adapters/simchain/ChainState.ts"
import { headerOf } from "../../../adapters/simchain/ClaimFacts.ts"
import { stakeGateway, unstakeGateway } from "../../../adapters/simchain/GatewayLifecycle.ts"
import { updateComputeUnits, updateSharedParams } from "../../../adapters/simchain/Governance.ts"
import type { Operation } from "../../../adapters/simchain/Operation.ts"
import { hydrateSession } from "../../../adapters/simchain/SessionHydration.ts"
import { stakeSupplier, unstakeSupplier } from "../../../adapters/simchain/SupplierLifecycle.ts"
import { sharedAt } from "../../../adapters/simchain/ChainState.ts"
import { sha256 } from "../../../domain/crypto/Sha256.ts"
import type { SessionHeader } from "../../../domain/relay/SessionHeader.ts"
import { settlementHeight } from "../../../domain/session/SessionWindow.ts"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import { application, eventsTagged, gateway, otherSupplier, SERVICE, supplier, testChain } from "./TestChain.ts"

const drawer = (seed: string) => {
  let count = 0
  return (bound: number): number =>
    Number(new DataView(sha256(textToBytes(`${seed} ${count++}`)).buffer).getBigUint64(0) % BigInt(bound))
}

const services = [{ serviceId: SERVICE, endpoints: [], revShare: [] }]

const operations: ReadonlyArray<(draw: (bound: number) => number) => Operation> = [
  () => unstakeSupplier(supplier.address),
  (draw) => stakeSupplier({ operatorAddress: supplier.address, services, stake: BigInt(1 + draw(9)) * 10n ** 8n }),
  () => unstakeApplication(application.address),
  (draw) =>
    stakeApplication({
      address: application.address,
      serviceIds: [SERVICE],
      stake: BigInt(1 + draw(40)) * 10n ** 6n,
      perSessionSpendLimit: BigInt(draw(3)) * 100_000n
    }),
  () => delegate(application.address, gateway.address),
  () => undelegate(application.address, gateway.address),
  () => unstakeGateway(gateway.address),
  () => stakeGateway(gateway.address, 10n ** 6n),
  (draw) => updateComputeUnits(SERVICE, BigInt(1 + draw(300))),
  (draw) => updateSharedParams({ claimWindowCloseOffsetBlocks: BigInt(draw(3)) }),
  (draw) =>
    updateSharedParams({
      numBlocksPerSession: BigInt(4 + draw(6)),
      supplierUnbondingPeriodSessions: 2n,
      applicationUnbondingPeriodSessions: 2n
    }),
  (draw) => updateSharedParams({ computeUnitsToTokensMultiplier: BigInt(1 + draw(90)) * 10n ** 6n })
]

const rootOf = (count: number, price: bigint): Uint8Array => {
  const root = new Uint8Array(48).fill(9, 0, 32)
  const view = new DataView(root.buffer)
  view.setBigUint64(32, BigInt(count) * price)
  view.setBigUint64(40, BigInt(count))
  return root
}

describe("any history of the chain", () => {
  for (let seed = 0; seed < 6; seed++) {
    it(`keeps the books, settles every claim and reproduces sessions, seed ${seed}`, () => {
      const draw = drawer(`history ${seed}`)
      const chain = testChain({ params: { proof: { proofRequestProbability: 0.4 } } })
      const sessions = new Map<string, SessionHeader>()
      let ended = 0
      for (let height = 2n; height <= 90n; height++) {
        if (draw(3) === 0) {
          // A refused operation is as good as none here.
          const operation = operations[draw(operations.length)]!(draw)
          chain.cell.administer(operation, chain.state.timeUnixNano)
        }
        for (const header of [...sessions.values()].slice(-3)) {
          const price = chain.state.services.get(SERVICE)!.computeUnitsPerRelay
          for (const signer of [supplier, otherSupplier]) {
            if (draw(2) === 0) {
              chain.check(
                chain.tx([chain.claimMessage(header, rootOf(1 + draw(60), draw(2) === 0 ? 100n : price), signer)], {
                  signer
                })
              )
            }
          }
        }
        const supply = totalSupply(chain.state)
        const block = chain.next()
        const moved = eventsTagged(block, "SettlementBatch").reduce(
          (sum, { opType, totalAmount }) =>
            sum + (opType === "mint" ? totalAmount : opType === "burn" ? -totalAmount : 0n),
          0n
        )
        const slashed = eventsTagged(block, "SupplierSlashed").reduce(
          (sum, event) => sum + event.proofMissingPenalty,
          0n
        )
        assert.strictEqual(totalSupply(chain.state), supply + moved - slashed)
        ended += (["ClaimSettled", "ClaimExpired", "ClaimDiscarded"] as const).reduce(
          (sum, tag) => sum + eventsTagged(block, tag).length,
          0
        )
        for (const claim of chain.claims()) {
          const end = headerOf(claim).sessionEndBlockHeight
          assert.isTrue(settlementHeight(sharedAt(chain.state, end), end) > height, "a claim outlived its settlement")
        }
        for (const { stake } of [...chain.state.applications.values(), ...chain.state.suppliers.values()]) {
          assert.isTrue(stake >= 0n)
        }
        const sessionAt = (at: bigint) =>
          hydrateSession(
            chain.state,
            { applicationAddress: application.address, serviceId: SERVICE, height: at },
            height
          )
        for (const past of [...sessions.values()].slice(-3)) {
          const again = sessionAt(past.sessionStartBlockHeight)
          if (Result.isSuccess(again)) assert.deepStrictEqual(again.success.header, past)
        }
        const hydrated = sessionAt(height)
        if (Result.isFailure(hydrated)) continue
        const { header } = hydrated.success
        sessions.set(header.sessionId, header)
        assert.isTrue(header.sessionStartBlockHeight <= height && height <= header.sessionEndBlockHeight)
      }
      assert.isAbove(ended, 0)
    })
  }
})
