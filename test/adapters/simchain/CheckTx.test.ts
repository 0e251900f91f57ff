/** Every refusal that a single node can give before a transaction is in a block, with codespace, code and text. */
import { assert, describe, it } from "@effect/vitest"
import { create, toBinary } from "@bufbuild/protobuf"
import { SignMode } from "../../../domain/chain/proto/cosmos/signing_pb.ts"
import { AuthInfoSchema, TxBodySchema, TxRawSchema } from "../../../domain/chain/proto/cosmos/tx_pb.ts"
import { PubKeySchema } from "../../../domain/chain/proto/cosmos/crypto_pb.ts"
import { sign } from "../../../domain/keys/SupplierSignature.ts"
import { decodeAddress } from "../../../domain/keys/Address.ts"
import { encodeSignDoc, type PackedMessage } from "../../../domain/tx/UnorderedTx.ts"
import { bytesToText } from "../../../domain/wire/ByteText.ts"
import { Result } from "effect"
import { type TestKey, testKey } from "../../support/RelayBuilder.ts"
import { otherSupplier, SECOND, supplier, type TestChain, testChain } from "./TestChain.ts"

const root = new Uint8Array(48).fill(1)

const claim = (chain: TestChain, signer: TestKey = supplier): PackedMessage =>
  chain.claimMessage(chain.header(1n), root, signer)

describe("CheckTx", () => {
  it("accepts a transaction of the product's form, whatever its handler will say", () => {
    const chain = testChain()
    assert.isUndefined(chain.check(chain.tx([claim(chain)])))
    assert.strictEqual(chain.cell.mempool.pending.length, 1)
  })

  it("refuses undecodable bytes, unknown fields and unknown types with sdk 2", () => {
    const chain = testChain()
    for (const bytes of [
      new Uint8Array([1, 2, 3]),
      chain.tx([{ typeUrl: "/cosmos.bank.v1beta1.MsgSend", value: new Uint8Array(0) }]),
      chain.tx([{ ...claim(chain), value: new Uint8Array([...claim(chain).value, 0x28, 1]) }])
    ]) {
      const refusal = chain.check(bytes)
      assert.deepStrictEqual([refusal?.codespace, refusal?.code], ["sdk", 2])
      assert.match(refusal?.log ?? "", /: tx parse error$/)
    }
  })

  it("refuses a transaction without messages with sdk 18", () => {
    const chain = testChain()
    assert.deepStrictEqual(chain.check(chain.tx([])), {
      codespace: "sdk",
      code: 18,
      log: "must contain at least one message: invalid request"
    })
  })

  it("refuses a wrong chain id, account number, key or signature with sdk 4", () => {
    const chain = testChain()
    const number = chain.state.accounts.get(supplier.address)!.accountNumber
    const flip = (signature: Uint8Array) => signature.map((byte, index) => (index === 5 ? byte ^ 1 : byte))
    for (const bytes of [
      chain.tx([claim(chain)], { chainId: "another" }),
      chain.tx([claim(chain)], { accountNumber: number + 1n }),
      chain.tx([claim(chain)], { changeSignature: flip }),
      chain.tx([claim(chain)], { changeSignature: (signature) => signature.slice(0, 63) })
    ]) {
      assert.deepStrictEqual(chain.check(bytes), {
        codespace: "sdk",
        code: 4,
        log: `signature verification failed; please verify account number (${number}) and chain-id (relaymill-sim): (unable to verify single signer signature): unauthorized`
      })
    }
  })

  it("refuses messages of two signers with sdk 4", () => {
    const chain = testChain()
    const refusal = chain.check(chain.tx([claim(chain), claim(chain, otherSupplier)]))
    assert.deepStrictEqual([refusal?.codespace, refusal?.code], ["sdk", 4])
    assert.match(refusal?.log ?? "", /^invalid number of signer.*: unauthorized$/)
  })

  it("refuses a fee above the balance with sdk 5, counting what waits", () => {
    const chain = testChain({
      suppliers: [{ publicKey: supplier.publicKey, services: [{ serviceId: "anvil" }], balance: 2_005n }]
    })
    assert.deepStrictEqual(chain.check(chain.tx([claim(chain)], { fee: 9_000n })), {
      codespace: "sdk",
      code: 5,
      log: "spendable balance 2005upokt is smaller than 9000upokt: insufficient funds: insufficient funds"
    })
    assert.isUndefined(chain.check(chain.tx([claim(chain)], { fee: 2_000n })))
    assert.deepStrictEqual(
      chain.check(chain.tx([claim(chain)], { fee: 9n }))?.log,
      "spendable balance 5upokt is smaller than 9upokt: insufficient funds: insufficient funds"
    )
  })

  it("refuses a fee in another coin with sdk 5", () => {
    const chain = testChain()
    assert.deepStrictEqual(
      chain.check(chain.tx([claim(chain)], { denom: "mact" }))?.log,
      "spendable balance 0mact is smaller than 2000mact: insufficient funds: insufficient funds"
    )
  })

  it("refuses a key that does not fit the signer with sdk 8", () => {
    const chain = testChain()
    assert.deepStrictEqual(chain.check(chain.tx([claim(chain)], { publicKey: otherSupplier.publicKey })), {
      codespace: "sdk",
      code: 8,
      log: `pubKey does not match signer address ${supplier.address} with signer index: 0: invalid pubkey`
    })
  })

  it("refuses an unknown account with sdk 9 and the raw address in the text", () => {
    const chain = testChain()
    const stranger = testKey("stranger")
    const raw = bytesToText(Result.getOrThrow(decodeAddress(stranger.address)))
    assert.deepStrictEqual(chain.check(chain.tx([claim(chain, stranger)], { signer: stranger })), {
      codespace: "sdk",
      code: 9,
      log: `fee payer address: ${raw} does not exist: unknown address`
    })
  })

  it("refuses too little gas, 0 too, with sdk 11", () => {
    const chain = testChain()
    assert.deepStrictEqual(chain.check(chain.tx([claim(chain)], { gasLimit: 100n })), {
      codespace: "sdk",
      code: 11,
      log: "out of gas in location: ReadFlat; gasWanted: 100, gasUsed: 1000: out of gas"
    })
    assert.strictEqual(chain.check(chain.tx([claim(chain)], { gasLimit: 0n }))?.code, 11)
    assert.match(
      chain.check(chain.tx([claim(chain)], { gasLimit: 1_100n }))?.log ?? "",
      /^out of gas in location: txSize; gasWanted: 1100, gasUsed: \d+: out of gas$/
    )
    // Enough for the checks, not for the message: CheckTx does not run it.
    assert.isUndefined(chain.check(chain.tx([claim(chain)], { gasLimit: 90_000n })))
  })

  it("refuses a long memo with sdk 12", () => {
    const chain = testChain()
    assert.isUndefined(chain.check(chain.tx([claim(chain)], { memo: "x".repeat(256) })))
    assert.deepStrictEqual(chain.check(chain.tx([claim(chain)], { memo: "x".repeat(257) })), {
      codespace: "sdk",
      code: 12,
      log: "maximum number of characters is 256 but received 257 characters: memo too large"
    })
  })

  it("refuses a fee below the node's minimum with sdk 13", () => {
    const chain = testChain({ minGasPriceScaled: 10n ** 12n })
    const parts = { gasLimit: 2_000_001n }
    assert.isUndefined(chain.check(chain.tx([claim(chain)], { ...parts, fee: 3n })))
    assert.deepStrictEqual(chain.check(chain.tx([claim(chain)], { ...parts, fee: 2n })), {
      codespace: "sdk",
      code: 13,
      log: "insufficient fees; got: 2upokt required: 3upokt: insufficient fee"
    })
    assert.strictEqual(
      chain.check(chain.tx([claim(chain)], { ...parts, fee: 0n }))?.log,
      "insufficient fees; got:  required: 3upokt: insufficient fee"
    )
  })

  it("bounds the time-out on both sides, both ends included", () => {
    const chain = testChain()
    const now = chain.state.timeUnixNano
    const check = (timeoutUnixNano: bigint) => chain.check(chain.tx([claim(chain)], { timeoutUnixNano }))
    assert.isUndefined(check(now))
    assert.isUndefined(check(now + 600n * SECOND))
    assert.deepStrictEqual(check(now + 600n * SECOND + 1n), {
      codespace: "sdk",
      code: 18,
      log: "unordered tx ttl exceeds 10m0s: invalid request"
    })
    assert.deepStrictEqual(check(now - 1n), {
      codespace: "sdk",
      code: 42,
      log: "block time: 2027-01-15 08:00:00 +0000 UTC, timeout timestamp: 2027-01-15 07:59:59.999999999 +0000 UTC: tx timeout"
    })
    assert.deepStrictEqual(check(0n), {
      codespace: "sdk",
      code: 18,
      log: "unordered transaction must have timeout_timestamp set: invalid request"
    })
  })

  it("refuses a used time-out of the same signer with sdk 18, pending ones included", () => {
    const chain = testChain()
    const timeoutUnixNano = chain.timeout()
    const refusal = {
      codespace: "sdk",
      code: 18,
      log: `failed to add unordered nonce: sender ${supplier.address} has already used timeout ${timeoutUnixNano}: invalid request`
    }
    const send = (memo: string, signer = supplier) =>
      chain.check(chain.tx([claim(chain, signer)], { timeoutUnixNano, memo, signer }))
    assert.isUndefined(send("first"))
    assert.deepStrictEqual(send("second"), refusal)
    assert.isUndefined(send("of another signer", otherSupplier))
    chain.next()
    assert.deepStrictEqual(send("after the block"), refusal)
  })

  it("frees a used time-out when block time reaches it", () => {
    const chain = testChain()
    const timeoutUnixNano = chain.state.timeUnixNano + 3n * SECOND
    assert.isUndefined(chain.check(chain.tx([claim(chain)], { timeoutUnixNano, memo: "a" })))
    chain.next()
    chain.next()
    assert.strictEqual(chain.state.nonces.size, 1)
    chain.next()
    assert.strictEqual(chain.state.nonces.size, 0)
    assert.strictEqual(chain.state.timeUnixNano, timeoutUnixNano)
    assert.isUndefined(chain.check(chain.tx([claim(chain)], { timeoutUnixNano, memo: "b" })))
  })

  it("refuses a sequence in an unordered transaction and a wrong one in an ordered", () => {
    const chain = testChain()
    assert.deepStrictEqual(chain.check(rawTx(chain, { sequence: 1n })), {
      codespace: "sdk",
      code: 18,
      log: "sequence is not allowed for unordered transactions: invalid request"
    })
    assert.deepStrictEqual(chain.check(rawTx(chain, { sequence: 7n, unordered: false })), {
      codespace: "sdk",
      code: 32,
      log: "account sequence mismatch, expected 0, got 7: incorrect account sequence"
    })
    assert.isUndefined(chain.check(rawTx(chain, { unordered: false })))
    assert.isUndefined(chain.check(rawTx(chain, { unordered: false, sequence: 1n })))
  })

  it("refuses a passed time-out height with sdk 30", () => {
    const chain = testChain()
    chain.until(3n)
    assert.isUndefined(chain.check(rawTx(chain, { timeoutHeight: 3n })))
    assert.deepStrictEqual(chain.check(rawTx(chain, { timeoutHeight: 2n })), {
      codespace: "sdk",
      code: 30,
      log: "block height: 3, timeout height: 2: tx timeout height"
    })
  })

  it("refuses a transaction without signatures or with two", () => {
    const chain = testChain()
    assert.deepStrictEqual(chain.check(rawTx(chain, { signatures: 0 }))?.code, 15)
    assert.deepStrictEqual(chain.check(rawTx(chain, { signatures: 2 }))?.code, 4)
  })

  it("refuses unordered transactions with sdk 37 when they are switched off", () => {
    const chain = testChain({ params: { auth: { unorderedTransactions: false } } })
    assert.deepStrictEqual(chain.check(chain.tx([claim(chain)])), {
      codespace: "sdk",
      code: 37,
      log: "unordered transactions are not enabled: feature not supported"
    })
  })

  it("refuses a gas limit above the block's maximum with sdk 41", () => {
    const chain = testChain({ params: { block: { maxGas: 1_000_000n } } })
    assert.isUndefined(chain.check(chain.tx([claim(chain)], { gasLimit: 1_000_000n })))
    assert.deepStrictEqual(chain.check(chain.tx([claim(chain)], { gasLimit: 1_000_001n })), {
      codespace: "sdk",
      code: 41,
      log: "tx gas limit 1000001 exceeds block max gas 1000000: invalid gas limit"
    })
  })

  it("refuses bad message fields with the proof module's code and no index", () => {
    const chain = testChain()
    const header = chain.header(1n)
    const bad = (message: PackedMessage) => chain.check(chain.tx([message]))
    assert.deepStrictEqual(bad(chain.claimMessage(header, new Uint8Array(40))), {
      codespace: "proof",
      code: 1104,
      log: "expecting root hash to be 48 bytes, got 40 bytes: invalid root hash"
    })
    assert.strictEqual(
      bad(chain.claimMessage({ ...header, sessionEndBlockHeight: 1n }, root))?.log,
      "invalid session header: session end block height cannot be less than or equal to session start block height: invalid block height for session: invalid session header"
    )
    assert.deepStrictEqual(bad(chain.proofMessage(header, new Uint8Array(0))), {
      codespace: "proof",
      code: 1108,
      log: "proof cannot be empty: invalid proof"
    })
  })

  it("checks in the chain's order: the first wrong thing decides", () => {
    const chain = testChain({ minGasPriceScaled: 10n ** 12n })
    const header = chain.header(1n)
    // Everything is wrong here; each step mends what was named.
    const stranger = testKey("stranger")
    const late = chain.state.timeUnixNano + 700n * SECOND
    const steps: ReadonlyArray<readonly [code: number, parts: Parameters<TestChain["tx"]>[1], root: Uint8Array]> = [
      [1104, { timeoutUnixNano: 1n * SECOND, memo: "x".repeat(300), gasLimit: 900n, fee: 0n }, new Uint8Array(3)],
      [42, { timeoutUnixNano: 1n * SECOND, memo: "x".repeat(300), gasLimit: 900n, fee: 0n }, root],
      [11, { timeoutUnixNano: late, memo: "x".repeat(300), gasLimit: 900n, fee: 0n }, root],
      [12, { timeoutUnixNano: late, memo: "x".repeat(300), fee: 0n, publicKey: stranger.publicKey }, root],
      [13, { timeoutUnixNano: late, fee: 0n, publicKey: stranger.publicKey }, root],
      [8, { timeoutUnixNano: late, publicKey: stranger.publicKey }, root],
      [18, { timeoutUnixNano: late, chainId: "another" }, root],
      [4, { chainId: "another" }, root]
    ]
    for (const [code, parts, claimed] of steps) {
      assert.strictEqual(chain.check(chain.tx([chain.claimMessage(header, claimed)], parts))?.code, code)
    }
  })
})

/** A signed transaction with parts that the product never writes. */
const rawTx = (
  chain: TestChain,
  parts: {
    readonly sequence?: bigint
    readonly unordered?: boolean
    readonly timeoutHeight?: bigint
    readonly signatures?: number
  }
): Uint8Array => {
  const timeout = chain.timeout()
  const unordered = parts.unordered ?? true
  const bodyBytes = toBinary(
    TxBodySchema,
    create(TxBodySchema, {
      messages: [claim(chain)],
      timeoutHeight: parts.timeoutHeight ?? 0n,
      unordered,
      ...(unordered && { timeoutTimestamp: { seconds: timeout / SECOND, nanos: Number(timeout % SECOND) } })
    })
  )
  const authInfoBytes = toBinary(
    AuthInfoSchema,
    create(AuthInfoSchema, {
      signerInfos: [
        {
          publicKey: {
            typeUrl: "/cosmos.crypto.secp256k1.PubKey",
            value: toBinary(PubKeySchema, create(PubKeySchema, { key: supplier.publicKey }))
          },
          modeInfo: { sum: { case: "single", value: { mode: SignMode.DIRECT } } },
          sequence: parts.sequence ?? 0n
        }
      ],
      fee: { amount: [{ denom: "upokt", amount: "2000" }], gasLimit: 2_000_000n }
    })
  )
  const account = chain.state.accounts.get(supplier.address)!
  const signDoc = encodeSignDoc(bodyBytes, authInfoBytes, chain.state.chainId, account.accountNumber)
  const signature = sign(supplier.privateKey, signDoc)
  return toBinary(
    TxRawSchema,
    create(TxRawSchema, {
      bodyBytes,
      authInfoBytes,
      signatures: Array.from({ length: parts.signatures ?? 1 }, () => signature)
    })
  )
}
