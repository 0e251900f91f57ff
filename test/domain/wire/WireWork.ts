/**
 * Counts what decoders of protobuf do while a function runs, by replacing the methods of both readers (this project's
 * and @bufbuild/protobuf's) for that time: a proxy around the input would miss the views that they make of it.
 */
import { BinaryReader } from "@bufbuild/protobuf/wire"
import { ProtoReader } from "../../../domain/wire/ProtoReader.ts"

/** Work of decoding. */
export interface WireWork {
  /** Fields met, at any depth and by any pass: each is at most one item of the result. */
  readonly fields: number
  /** Bytes of values that were viewed, copied or turned into text. */
  readonly bytes: number
}

/** Runs `body`, which must not be asynchronous, and returns its result with the work. */
export const countWireWork = <A>(body: () => A): { readonly result: A; readonly work: WireWork } => {
  let fields = 0
  let bytes = 0
  const restores = [
    replace(ProtoReader.prototype, "next", () => fields++),
    replace(BinaryReader.prototype, "tag", () => fields++),
    ...(["bytes", "text"] as const).map((name) =>
      replace(ProtoReader.prototype, name, (value) => (bytes += lengthOf(value)))
    ),
    ...(["bytes", "string", "skip"] as const).map((name) =>
      replace(BinaryReader.prototype, name, (value) => (bytes += lengthOf(value)))
    )
  ]
  try {
    const result = body()
    return { result, work: { fields, bytes } }
  } finally {
    for (const restore of restores) restore()
  }
}

const lengthOf = (value: unknown): number => (value as { readonly length: number }).length

/** Replaces a method by one that reports each value it returned; the result undoes that. */
const replace = (target: object, name: string, onValue: (value: unknown) => void): (() => void) => {
  const original: unknown = Reflect.get(target, name)
  if (typeof original !== "function") throw new Error(`${name} is not a method`)
  Reflect.set(target, name, function (this: unknown, ...args: ReadonlyArray<unknown>): unknown {
    const value: unknown = Reflect.apply(original, this, args)
    onValue(value)
    return value
  })
  return () => void Reflect.set(target, name, original)
}
