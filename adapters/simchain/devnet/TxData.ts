/** What a successful transaction leaves as `data`. */
import { create, toBinary } from "@bufbuild/protobuf"
import { Result } from "effect"
import { type TxMsgData, TxMsgDataSchema } from "../../../domain/chain/proto/cosmos/abci_pb.ts"
import { decodeTx } from "../../../domain/tx/TxDecode.ts"
import type { BlockTx } from "../CommittedBlock.ts"

/** `data` of a successful transaction: one empty response for each message. */
export const txData = ({ bytes, result }: BlockTx): Uint8Array | undefined => {
  const decoded = decodeTx(bytes)
  return result.code !== 0 || Result.isFailure(decoded)
    ? undefined
    : toBinary(TxMsgDataSchema, responsesOf(decoded.success.messages.map(({ typeUrl }) => typeUrl)))
}

/** One empty response for each message. */
export const responsesOf = (typeUrls: ReadonlyArray<string>): TxMsgData =>
  create(TxMsgDataSchema, { msgResponses: typeUrls.map((typeUrl) => ({ typeUrl: `${typeUrl}Response` })) })
