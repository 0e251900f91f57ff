/** Queries over transactions in CometBFT's language: conditions joined by AND, on height, hash and events. */
import type { RawEvent } from "../../../domain/chain/ChainEvents.ts"
import type { BlockTx } from "../CommittedBlock.ts"
import { blockOf, lowestHeight, type NodeView } from "./NodeView.ts"

/** One condition: `key` is an attribute as `type.key`, or `tx.hash`, `tx.height`, `tm.event`. */
export interface Condition {
  readonly key: string
  readonly operator: "=" | "<" | "<=" | ">" | ">="
  readonly value: string
}

/** Conditions of a query text; none if it is not in the language (or in a part of it that is not served). */
export const parseQuery = (text: string): ReadonlyArray<Condition> | undefined => {
  const conditions: Array<Condition> = []
  for (const part of text.split(/\s+AND\s+/)) {
    const found = /^\s*([A-Za-z0-9_.-]+)\s*(<=|>=|=|<|>)\s*(?:'([^']*)'|(-?[0-9]+))\s*$/.exec(part)
    const operator = found?.[2]
    if (found?.[1] === undefined || !isOperator(operator)) return undefined
    conditions.push({ key: found[1], operator, value: found[3] ?? found[4] ?? "" })
  }
  return conditions
}

const isOperator = (text: string | undefined): text is Condition["operator"] =>
  text === "=" || text === "<" || text === "<=" || text === ">" || text === ">="

/** A transaction with its place. */
export interface FoundTx {
  readonly height: bigint
  readonly index: number
  readonly tx: BlockTx
}

/** Transactions that meet all conditions, oldest first unless `newestFirst`. */
export const findTxs = (
  view: NodeView,
  conditions: ReadonlyArray<Condition>,
  newestFirst: boolean
): ReadonlyArray<FoundTx> => {
  const found: Array<FoundTx> = []
  for (let height = lowestHeight(view); height <= view.wire.height(); height++) {
    for (const [index, tx] of (blockOf(view, height)?.txs ?? []).entries()) {
      if (conditions.every((condition) => meets({ height, index, tx }, condition))) found.push({ height, index, tx })
    }
  }
  return newestFirst ? found.reverse() : found
}

/** Whether a transaction meets one condition. */
export const meets = ({ height, tx }: FoundTx, { key, operator, value }: Condition): boolean => {
  if (key === "tm.event") return operator === "=" && value === "Tx"
  if (key === "tx.hash") return operator === "=" && tx.hash === value.toUpperCase()
  if (key === "tx.height") return /^[0-9]+$/.test(value) && compares(height, operator, BigInt(value))
  return tx.result.events.some((event) => hasAttribute(event, key, operator, value))
}

const hasAttribute = (event: RawEvent, key: string, operator: Condition["operator"], value: string): boolean =>
  event.attributes.some((attribute) => {
    if (`${event.type}.${attribute.key}` !== key) return false
    if (operator === "=") return attribute.value === value
    return /^-?[0-9]+$/.test(attribute.value) && compares(BigInt(attribute.value), operator, BigInt(value))
  })

const compares = (left: bigint, operator: Condition["operator"], right: bigint): boolean => {
  switch (operator) {
    case "=":
      return left === right
    case "<":
      return left < right
    case "<=":
      return left <= right
    case ">":
      return left > right
    case ">=":
      return left >= right
  }
}
