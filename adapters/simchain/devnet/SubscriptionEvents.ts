/** What a node's events look like: the `data` and `events` members of a subscription's message. */
import type { CommittedBlock } from "../CommittedBlock.ts"
import { blockJson, eventJson, headerJson, type Json, ownBlockId, txResultJson } from "./GoJson.ts"
import { claimedHeight, type NodeView } from "./NodeView.ts"
import { type Condition, meets } from "./TxQuery.ts"

/** The `data` and `events` members that the conditions ask for. */
export const eventsOf = (
  view: NodeView,
  block: CommittedBlock,
  conditions: ReadonlyArray<Condition>
): ReadonlyArray<{ readonly [key: string]: Json }> => {
  const kind = conditions.find(({ key }) => key === "tm.event")?.value
  if (kind === "NewBlockHeader") return [headerEvent(view, block)]
  if (kind === "NewBlock") return [blockEvent(view, block)]
  if (kind !== "Tx") return []
  return block.txs.flatMap((tx, index) => {
    const found = { height: block.height, index, tx }
    if (!conditions.every((condition) => meets(found, condition))) return []
    const events = {
      "tm.event": ["Tx"],
      "tx.hash": [tx.hash],
      "tx.height": [block.height.toString()],
      ...attributes(tx.result.events)
    }
    const value = {
      TxResult: {
        height: block.height.toString(),
        ...(index === 0 ? {} : { index }),
        tx: Buffer.from(tx.bytes).toString("base64"),
        result: txResultJson(tx)
      }
    }
    return [{ data: { type: "tendermint/event/Tx", value }, events }]
  })
}

const headerEvent = (view: NodeView, { header }: CommittedBlock): { readonly [key: string]: Json } => {
  const shown = { ...header, height: claimedHeight(view, header.height) }
  return {
    data: { type: "tendermint/event/NewBlockHeader", value: { header: headerJson(view, shown) } },
    events: { "tm.event": ["NewBlockHeader"] }
  }
}

const blockEvent = (view: NodeView, block: CommittedBlock): { readonly [key: string]: Json } => ({
  data: {
    type: "tendermint/event/NewBlock",
    value: {
      block: blockJson(view, block),
      block_id: ownBlockId(view, block),
      result_finalize_block: {
        events: block.endBlockEvents.map(eventJson),
        tx_results: block.txs.map(txResultJson),
        validator_updates: [],
        app_hash: Buffer.from(block.header.appHash).toString("base64")
      }
    }
  },
  events: { "tm.event": ["NewBlock"], ...attributes(block.endBlockEvents) }
})

/** Attributes by `type.key`, in order. */
const attributes = (events: CommittedBlock["endBlockEvents"]): Record<string, Array<string>> => {
  const values: Record<string, Array<string>> = {}
  for (const { attributes: each, type } of events) {
    for (const { key, value } of each) (values[`${type}.${key}`] ??= []).push(value)
  }
  return values
}
