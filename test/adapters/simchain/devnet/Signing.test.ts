import { DirectSecp256k1Wallet, Registry } from "@cosmjs/proto-signing"
import { SigningStargateClient } from "@cosmjs/stargate"
import { assert, describe, it } from "@effect/vitest"
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { Effect, Fiber } from "effect"
import { MsgCreateClaimSchema } from "../../../../domain/chain/proto/pocket/proof_pb.ts"
import { ApplicationAddress, ServiceId } from "../../../../domain/protocol/Identifiers.ts"
import { application, SERVICE, supplier } from "../TestChain.ts"
import { testDevnet } from "./TestDevnet.ts"

const TYPE = "/pocket.proof.MsgCreateClaim"

describe("a foreign signing client on the devnet", () => {
  it.live("signs, broadcasts and finds a claim, and reads a refusal", () =>
    Effect.gen(function* () {
      const { chain, controlUrl, nodes } = yield* testDevnet()
      // Session 1 to 6; the claim window opens at 8.
      yield* chain.produceUntil(9n)
      const state = yield* chain.state
      const ports = yield* chain.makeNode()
      const session = yield* ports.query.session(
        ApplicationAddress.make(application.address),
        ServiceId.make(SERVICE),
        1n
      )
      const rpcUrl = nodes[0]?.rpcUrl ?? ""
      const wallet = yield* Effect.promise(() => DirectSecp256k1Wallet.fromKey(supplier.privateKey, "pokt"))
      const registry = new Registry([
        [
          TYPE,
          {
            encode: (message: ReturnType<typeof create<typeof MsgCreateClaimSchema>>) => ({
              finish: () => toBinary(MsgCreateClaimSchema, message)
            }),
            decode: (bytes: Uint8Array) => fromBinary(MsgCreateClaimSchema, bytes),
            fromPartial: (message: object) => message
          } as never
        ]
      ])
      const client = yield* Effect.promise(() =>
        SigningStargateClient.connectWithSigner(rpcUrl, wallet, { registry, broadcastPollIntervalMs: 5 })
      )
      const root = new Uint8Array(48).fill(1)
      const view = new DataView(root.buffer)
      view.setBigUint64(32, 500n)
      view.setBigUint64(40, 5n)
      const claim = create(MsgCreateClaimSchema, {
        supplierOperatorAddress: supplier.address,
        sessionHeader: session.header,
        rootHash: root
      })
      const fee = { amount: [{ denom: "upokt", amount: "2000" }], gas: "2000000" }
      assert.strictEqual(state.height, 9n)
      const gas = yield* Effect.promise(() => client.simulate(supplier.address, [{ typeUrl: TYPE, value: claim }], ""))
      assert.isAbove(gas, 1_000)
      const sending = yield* Effect.forkChild(
        Effect.promise(() => client.signAndBroadcast(supplier.address, [{ typeUrl: TYPE, value: claim }], fee))
      )
      const deadline = Date.now() + 5_000
      while ((yield* chain.pending).length === 0 && Date.now() < deadline) yield* Effect.sleep(1)
      yield* chain.produceBlock
      const included = yield* Fiber.join(sending)
      assert.strictEqual(included.code, 0, included.rawLog)
      assert.strictEqual(included.height, 10)
      assert.deepStrictEqual(
        included.msgResponses.map(({ typeUrl }) => typeUrl),
        [`${TYPE}Response`]
      )
      assert.isDefined(included.events.find(({ type }) => type === "pocket.proof.EventClaimCreated"))
      const found = yield* Effect.promise(() => client.searchTx(`message.action='${TYPE}'`))
      assert.deepStrictEqual(
        found.map(({ hash }) => hash),
        [included.transactionHash]
      )
      const refusal = yield* Effect.promise(() =>
        client
          .signAndBroadcastSync(supplier.address, [{ typeUrl: TYPE, value: claim }], { ...fee, gas: "1" })
          .then(String, String)
      )
      assert.include(refusal, "out of gas")
      const { feesCollected, transactions } = (yield* Effect.promise(async () =>
        (await fetch(`${controlUrl}/transactions`)).json()
      )) as { feesCollected: string; transactions: ReadonlyArray<Record<string, unknown>> }
      const about = [{ kind: "claim", supplier: supplier.address, session: session.header.sessionId }]
      assert.deepStrictEqual(
        transactions.map(({ fee, height, landed, messages, refused, taken }) => ({
          fee,
          messages,
          height,
          taken,
          refused,
          landed
        })),
        [
          { fee: "2000", messages: about, height: "9", taken: 1, refused: {}, landed: { height: "10", code: 0 } },
          { fee: "2000", messages: about, height: "10", taken: 0, refused: { "sdk 11": 1 }, landed: null }
        ]
      )
      assert.strictEqual(transactions[0]?.["hash"], included.transactionHash)
      assert.strictEqual(feesCollected, "2000")
    })
  )
})
