/**
 * Checks of a transaction before its messages run, in the chain's order, and what they take: fee and nonce. The same
 * function serves CheckTx, re-check, simulation and the block; the mode says which checks a node leaves out.
 * Source: poktroll `app/ante.go`, cosmos-sdk `x/auth/ante`.
 */
import { Result } from "effect"
import { SECP256K1_TYPE_URL } from "../../domain/chain/Account.ts"
import { type Coin, UPOKT } from "../../domain/chain/Coin.ts"
import { addressOf, decodeAddress } from "../../domain/keys/Address.ts"
import { type DecodedTx, DIRECT } from "../../domain/tx/TxDecode.ts"
import { CHAIN_LIMIT } from "../../domain/tx/TxTimeout.ts"
import { encodeSignDoc } from "../../domain/tx/UnorderedTx.ts"
import { bytesToText } from "../../domain/wire/ByteText.ts"
import { validateMessages } from "./BasicChecks.ts"
import { refuse, SDK, type TxRefusal } from "./ChainErrors.ts"
import { type BlockContext, type ChainAccount, type ChainState, credit, withKey } from "./ChainState.ts"
import { anteGas, memoGas, outOfGas, sizeGas } from "./Gas.ts"
import { goCoins, goTime } from "./GoText.ts"
import type { Verifiers } from "./Verifiers.ts"

/** Where a transaction is examined. Re-check: again in the mempool, after a block. Deliver: in a block. */
export type AnteMode = "check" | "recheck" | "simulate" | "deliver"

/** One transaction and where it is examined. */
export interface AnteInput {
  readonly state: ChainState
  readonly tx: DecodedTx
  /** Length of the transaction's bytes. */
  readonly byteLength: number
  readonly mode: AnteMode
  /** Block time T of all time rules: that of the last block, or of the block that is being executed. */
  readonly block: BlockContext
  readonly verifiers: Verifiers
  /** In units of 10⁻¹⁸ uPOKT. */
  readonly minGasPriceScaled: bigint
}

/** A transaction that may run its messages. */
export interface AntePassed {
  /** Fee and nonce are spent. */
  readonly state: ChainState
  readonly gasUsed: bigint
  readonly signer: string
}

/** Runs all checks; the first failure decides and leaves the state as it was. */
export const runAnte = (input: AnteInput): Result.Result<AntePassed, TxRefusal> =>
  Result.gen(function* () {
    const { state, tx, byteLength, mode, block } = input
    yield* validateMessages(tx.messages)
    const gasWanted = tx.fee?.gasLimit ?? 0n
    const { maxGas } = state.params.block
    if (mode !== "simulate" && maxGas > 0n && gasWanted > maxGas) {
      return yield* Result.fail(
        refuse(SDK.invalidGasLimit, `tx gas limit ${gasWanted} exceeds block max gas ${maxGas}`)
      )
    }
    if (tx.hasExtensionOptions) return yield* Result.fail(refuse(SDK.unknownExtensionOptions))
    const signer = yield* checkFeeAndSignatures(tx)
    yield* checkTimeouts(tx, block)
    const spend = (location: string, used: bigint) => {
      const refusal = mode === "simulate" ? undefined : outOfGas(location, gasWanted, used)
      return refusal === undefined ? Result.void : Result.fail(refusal)
    }
    yield* spend("ReadFlat", memoGas())
    yield* checkMemo(tx, state)
    yield* spend("txSize", sizeGas(byteLength))
    const paid = yield* deductFee(input, signer)
    yield* spend("ReadFlat", anteGas(tx, byteLength, mode === "simulate"))
    const keyed = yield* setPublicKey(paid, tx, signer, mode)
    const used = yield* useNonce(keyed, input, signer)
    yield* verifySignature(used, input, signer)
    return { state: used, gasUsed: anteGas(tx, byteLength, mode === "simulate"), signer }
  })

const maxGasWanted = 2n ** 63n - 1n

const checkFeeAndSignatures = (tx: DecodedTx): Result.Result<string, TxRefusal> => {
  const signers = new Set(tx.messages.map(({ message }) => addressText(message.supplierOperatorAddress)))
  if (tx.fee !== undefined && tx.fee.payer !== "") signers.add(addressText(tx.fee.payer))
  const [signer = ""] = signers
  if (tx.fee === undefined) return Result.fail({ codespace: "undefined", code: 1, log: "missing fee" })
  if (tx.fee.gasLimit > maxGasWanted) {
    return Result.fail(refuse(SDK.invalidRequest, `invalid gas supplied; ${tx.fee.gasLimit} > ${maxGasWanted}`))
  }
  if (tx.signatures.length === 0) return Result.fail(refuse(SDK.noSignatures, "empty signatures"))
  if (tx.signatures.length !== signers.size || tx.signers.length !== signers.size) {
    return Result.fail(
      refuse(SDK.unauthorized, `invalid number of signer;  expected: ${signers.size}, got ${tx.signatures.length}`)
    )
  }
  return signers.size === 1
    ? Result.succeed(signer)
    : Result.fail(refuse(SDK.unauthorized, `invalid number of signer;  expected: 1, got ${signers.size}`))
}

const checkTimeouts = (tx: DecodedTx, block: BlockContext): Result.Result<void, TxRefusal> => {
  if (tx.timeoutHeight > 0n && block.height > tx.timeoutHeight) {
    const detail = `block height: ${block.height}, timeout height: ${tx.timeoutHeight}`
    return Result.fail(refuse(SDK.txTimeoutHeight, detail))
  }
  if (tx.timeoutUnixNano !== undefined && block.timeUnixNano > tx.timeoutUnixNano) {
    const detail = `block time: ${goTime(block.timeUnixNano)}, timeout timestamp: ${goTime(tx.timeoutUnixNano)}`
    return Result.fail(refuse(SDK.txTimeout, detail))
  }
  return Result.void
}

const checkMemo = (tx: DecodedTx, state: ChainState): Result.Result<void, TxRefusal> => {
  const limit = state.params.auth.maxMemoCharacters
  // Go counts bytes here, whatever its text says.
  const length = new TextEncoder().encode(tx.memo).length
  return length <= limit
    ? Result.void
    : Result.fail(
        refuse(SDK.memoTooLarge, `maximum number of characters is ${limit} but received ${length} characters`)
      )
}

const deductFee = (input: AnteInput, signer: string): Result.Result<ChainState, TxRefusal> => {
  const { state, tx, mode } = input
  const { amount: coins = [], gasLimit = 0n, granter = "" } = tx.fee ?? {}
  if (mode === "check" || mode === "recheck") {
    const required = (gasLimit * input.minGasPriceScaled + PRICE_SCALE - 1n) / PRICE_SCALE
    if (required > 0n && !coins.some((coin) => coin.denom === UPOKT && coin.amount >= required)) {
      const detail = `insufficient fees; got: ${goCoins(coins)} required: ${required}${UPOKT}`
      return Result.fail(refuse(SDK.insufficientFee, detail))
    }
  }
  if (granter !== "" && granter !== signer) return Result.fail(refuse(SDK.notFound, "fee-grant not found"))
  const account = state.accounts.get(signer)
  if (account === undefined) {
    const address = Result.getOrElse(decodeAddress(signer), () => new Uint8Array(0))
    return Result.fail(refuse(SDK.unknownAddress, `fee payer address: ${bytesToText(address)} does not exist`))
  }
  return Result.map(checkBalance(account, coins), (fee) =>
    fee === 0n
      ? state
      : {
          ...credit(state, signer, -fee),
          modules: { ...state.modules, feeCollector: state.modules.feeCollector + fee }
        }
  )
}

const PRICE_SCALE = 10n ** 18n

/** The fee in uPOKT, if the account can pay every coin of it. */
const checkBalance = (account: ChainAccount, coins: ReadonlyArray<Coin>): Result.Result<bigint, TxRefusal> => {
  let fee = 0n
  for (const coin of coins) {
    const balance = coin.denom === UPOKT ? account.balance : 0n
    if (balance < coin.amount) {
      const detail = `spendable balance ${balance}${coin.denom} is smaller than ${coin.amount}${coin.denom}`
      return Result.fail(refuse(SDK.insufficientFunds, `${detail}: ${SDK.insufficientFunds.text}`))
    }
    if (coin.denom === UPOKT) fee += coin.amount
  }
  return Result.succeed(fee)
}

const setPublicKey = (
  state: ChainState,
  tx: DecodedTx,
  signer: string,
  mode: AnteMode
): Result.Result<ChainState, TxRefusal> => {
  const account = state.accounts.get(signer)
  const publicKey = tx.signers[0]?.publicKey
  if (account === undefined || publicKey === undefined) return Result.succeed(state)
  if (mode !== "simulate" && (publicKey.length !== 33 || addressOf(publicKey) !== signer)) {
    const detail = `pubKey does not match signer address ${signer} with signer index: 0`
    return Result.fail(refuse(SDK.invalidPubKey, detail))
  }
  if (account.publicKey !== undefined || mode === "simulate") return Result.succeed(state)
  const keyed = { ...account, publicKey, publicKeyType: SECP256K1_TYPE_URL }
  return Result.succeed({ ...state, accounts: withKey(state.accounts, signer, keyed) })
}

/** An address in the chain's own spelling; messages may spell it in upper case. */
const addressText = (text: string): string => text.toLowerCase()

const useNonce = (state: ChainState, input: AnteInput, signer: string): Result.Result<ChainState, TxRefusal> => {
  const { tx, mode, block } = input
  const sequence = tx.signers[0]?.sequence ?? 0n
  if (!tx.unordered) return useSequence(state, signer, sequence, mode)
  const invalid = (detail: string) => Result.fail(refuse(SDK.invalidRequest, detail))
  if (!state.params.auth.unorderedTransactions) {
    return Result.fail(refuse(SDK.notSupported, "unordered transactions are not enabled"))
  }
  const timeout = tx.timeoutUnixNano
  if (timeout === undefined) return invalid("unordered transaction must have timeout_timestamp set")
  if (timeout > block.timeUnixNano + CHAIN_LIMIT) return invalid("unordered tx ttl exceeds 10m0s")
  const used = state.nonces.get(signer)
  if (mode !== "simulate" && used?.has(timeout)) {
    return invalid(`failed to add unordered nonce: sender ${signer} has already used timeout ${timeout}`)
  }
  if (sequence > 0n) return invalid("sequence is not allowed for unordered transactions")
  if (mode === "simulate") return Result.succeed(state)
  return Result.succeed({ ...state, nonces: withKey(state.nonces, signer, new Set(used).add(timeout)) })
}

const useSequence = (
  state: ChainState,
  signer: string,
  sequence: bigint,
  mode: AnteMode
): Result.Result<ChainState, TxRefusal> => {
  const account = state.accounts.get(signer)
  if (account === undefined) return Result.succeed(state)
  if (mode !== "simulate" && sequence !== account.sequence) {
    const detail = `account sequence mismatch, expected ${account.sequence}, got ${sequence}`
    return Result.fail(refuse(SDK.wrongSequence, detail))
  }
  const next = { ...account, sequence: account.sequence + 1n }
  return Result.succeed({ ...state, accounts: withKey(state.accounts, signer, next) })
}

/** Left out by simulation and by re-check, whose transactions were verified when they came. */
const verifySignature = (state: ChainState, input: AnteInput, signer: string): Result.Result<void, TxRefusal> => {
  const { tx, mode, verifiers } = input
  if (mode === "simulate" || mode === "recheck") return Result.void
  const account = state.accounts.get(signer)
  if (account?.publicKey === undefined) return Result.fail(refuse(SDK.invalidPubKey, "pubkey on account is not set"))
  const signDoc = encodeSignDoc(tx.bodyBytes, tx.authInfoBytes, state.chainId, account.accountNumber)
  const signature = tx.signatures[0] ?? new Uint8Array(0)
  if (tx.signers[0]?.signMode === DIRECT && verifiers.verifySignature(account.publicKey, signDoc, signature)) {
    return Result.void
  }
  const detail =
    `signature verification failed; please verify account number (${account.accountNumber}) and chain-id ` +
    `(${state.chainId}): (unable to verify single signer signature)`
  return Result.fail(refuse(SDK.unauthorized, detail))
}
