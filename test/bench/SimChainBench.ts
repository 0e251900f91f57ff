/**
 * Cost of the simulated chain: `node test/bench/SimChainBench.ts`. Sessions of 6 blocks with 20 suppliers that each send
 * one claim and one proof, with the pure verifiers and with ones that answer at once; then blocks without transactions.
 * Two shared cores: pure, claim 1.7 ms check + 0.1 ms block, proof 1.7 + 6.3 (two ring members, one ECDSA), settled claim
 * 0.4, empty block 0.01; instant verifiers, claim 0.2 + 0.1, proof 0.2 + 0.6, settled claim 0.3.
 */
import { ChainCell } from "../../adapters/simchain/ChainCell.ts"
import { proofSeed } from "../../adapters/simchain/ClaimFacts.ts"
import { demoGenesis } from "../../adapters/simchain/Genesis.ts"
import { checkTx, defaultLimits } from "../../adapters/simchain/Mempool.ts"
import { hydrateSession } from "../../adapters/simchain/SessionHydration.ts"
import { rememberingVerifiers, type Verifiers } from "../../adapters/simchain/Verifiers.ts"
import { Option, Result } from "effect"
import { proofPath } from "../../domain/settlement/ProofRequirement.ts"
import { packCreateClaim, packSubmitProof } from "../../domain/tx/ProofMessages.ts"
import { buildRelays, buildTrie, testKey } from "../support/RelayBuilder.ts"
import { buildTx } from "../support/TxBuilder.ts"

const SUPPLIERS = 20
const application = testKey("application")
const suppliers = Array.from({ length: SUPPLIERS }, (_, index) => testKey(`supplier ${index}`))

const run = (name: string, given: Partial<Verifiers>): void => {
  const cell = new ChainCell({
    genesis: demoGenesis({
      applications: [{ publicKey: application.publicKey, serviceIds: ["anvil"] }],
      suppliers: suppliers.map(({ publicKey }) => ({ publicKey, services: [{ serviceId: "anvil" }] })),
      services: [{ id: "anvil", computeUnitsPerRelay: 100n }]
    }),
    seed: "bench",
    verifiers: rememberingVerifiers(given),
    limits: defaultLimits,
    minGasPriceScaled: 0n
  })
  let now = 1_800_000_000_000_000_000n
  const next = () => cell.commit((now += 1_000_000_000n))
  const until = (height: bigint) => {
    while (cell.state.height < height) next()
  }
  next()
  const request = { applicationAddress: application.address, serviceId: "anvil", height: 1n }
  const { header } = Result.getOrThrow(hydrateSession(cell.state, request, 1n))
  const tries = suppliers.map((supplier) =>
    buildTrie(
      buildRelays(2, { header, supplier, signer: application, ring: [application.publicKey, application.publicKey] }),
      100n
    )
  )
  const send = (messages: (index: number) => Parameters<typeof buildTx>[0]["messages"]) => {
    const txs = suppliers.map((signer, index) =>
      buildTx({
        signer,
        messages: messages(index),
        timeoutUnixNano: cell.state.timeUnixNano + 60_000_000_000n + BigInt(index),
        accountNumber: cell.state.accounts.get(signer.address)?.accountNumber ?? 0n
      })
    )
    const started = performance.now()
    for (const { txBytes } of txs) {
      cell.mempool = Result.getOrThrow(checkTx(cell.mempool, txBytes, 1n, cell.checkContext(cell.state)))
    }
    const checked = performance.now()
    const block = next()
    const failed = Option.fromUndefinedOr(block.txs.find(({ result }) => result.code !== 0))
    if (Option.isSome(failed)) throw new Error(failed.value.result.log)
    return { check: (checked - started) / SUPPLIERS, block: (performance.now() - checked) / SUPPLIERS }
  }
  until(7n)
  const claims = send((index) => [
    packCreateClaim({
      supplierOperatorAddress: suppliers[index]!.address,
      sessionHeader: header,
      rootHash: tries[index]!.root
    })
  ])
  until(9n)
  const path = proofPath(proofSeed(cell.state, header.sessionEndBlockHeight), header.sessionId)
  const proofs = send((index) => [
    packSubmitProof({
      supplierOperatorAddress: suppliers[index]!.address,
      sessionHeader: header,
      proof: tries[index]!.prove(path)
    })
  ])
  until(11n)
  const settling = performance.now()
  next()
  const settled = (performance.now() - settling) / SUPPLIERS
  const empty = performance.now()
  for (let count = 0; count < 1_000; count++) next()
  const perEmpty = performance.now() - empty
  const text = (value: number) => `${value.toFixed(3)} ms`
  console.log(
    `${name}: claim ${text(claims.check)} check + ${text(claims.block)} block, proof ${text(proofs.check)} + ` +
      `${text(proofs.block)}, settlement of a claim ${text(settled)}, empty block ${text(perEmpty / 1_000)}`
  )
}

const instant: Partial<Verifiers> = { verifySignature: () => true, verifyRing: () => true }
run("warm-up", instant)
run("pure verifiers", {})
run("instant verifiers", instant)
