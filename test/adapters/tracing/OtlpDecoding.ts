/**
 * Reads `ExportTraceServiceRequest` as a collector would, from its field numbers alone.
 * Source: opentelemetry-proto 1.x, `collector/trace/v1`, `trace/v1/trace.proto`, `common/v1/common.proto`.
 */

export interface OtlpLink {
  readonly traceId: string
  readonly spanId: string
}

export interface OtlpSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty for a root. */
  readonly parentSpanId: string
  readonly name: string
  readonly kind: "unspecified" | "internal" | "server" | "client" | "producer" | "consumer"
  readonly attributes: Readonly<Record<string, unknown>>
  readonly links: ReadonlyArray<OtlpLink>
  readonly status: "unset" | "ok" | "error"
  readonly startNanos: bigint
  readonly endNanos: bigint
  /** Attributes of the resource that sent it. */
  readonly resource: Readonly<Record<string, unknown>>
}

const KINDS = ["unspecified", "internal", "server", "client", "producer", "consumer"] as const
const STATUSES = ["unset", "ok", "error"] as const

/** One field: its number and either a number or bytes. */
type Field = readonly [number: number, value: bigint | Uint8Array]

const fieldsOf = (bytes: Uint8Array): ReadonlyArray<Field> => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const fields: Array<Field> = []
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = view.getUint8(at++)
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    switch (tag & 7) {
      case 0:
        fields.push([tag >> 3, varint()])
        break
      case 1:
        fields.push([tag >> 3, view.getBigUint64(at, true)])
        at += 8
        break
      case 2: {
        const length = Number(varint())
        if (at + length > bytes.length) throw new Error("a field ends after its message")
        fields.push([tag >> 3, bytes.subarray(at, at + length)])
        at += length
        break
      }
      case 5:
        fields.push([tag >> 3, BigInt(view.getUint32(at, true))])
        at += 4
        break
      default:
        throw new Error(`wire type ${tag & 7}`)
    }
  }
  return fields
}

const messages = (fields: ReadonlyArray<Field>, number: number): ReadonlyArray<Uint8Array> =>
  fields.flatMap(([of, value]) => (of === number && typeof value !== "bigint" ? [value] : []))

const integer = (fields: ReadonlyArray<Field>, number: number): bigint => {
  const [, value] = fields.findLast(([of]) => of === number) ?? []
  return typeof value === "bigint" ? value : 0n
}

const hex = (fields: ReadonlyArray<Field>, number: number): string =>
  Buffer.from(messages(fields, number)[0] ?? []).toString("hex")

const text = (fields: ReadonlyArray<Field>, number: number): string =>
  Buffer.from(messages(fields, number)[0] ?? []).toString("utf8")

const anyValue = (bytes: Uint8Array): unknown => {
  const [field] = fieldsOf(bytes)
  if (field === undefined) return undefined
  const [number, value] = field
  if (typeof value === "bigint") {
    if (number === 2) return value !== 0n
    if (number === 3) return Number(BigInt.asIntN(64, value))
    return new Float64Array(new BigUint64Array([value]).buffer)[0]
  }
  if (number === 1) return Buffer.from(value).toString("utf8")
  return number === 5 ? messages(fieldsOf(value), 1).map(anyValue) : value
}

const attributes = (fields: ReadonlyArray<Field>, number: number): Readonly<Record<string, unknown>> =>
  Object.fromEntries(
    messages(fields, number).map((bytes) => {
      const pair = fieldsOf(bytes)
      return [text(pair, 1), anyValue(messages(pair, 2)[0] ?? new Uint8Array())]
    })
  )

const span = (bytes: Uint8Array, resource: OtlpSpan["resource"]): OtlpSpan => {
  const fields = fieldsOf(bytes)
  return {
    traceId: hex(fields, 1),
    spanId: hex(fields, 2),
    parentSpanId: hex(fields, 4),
    name: text(fields, 5),
    kind: KINDS[Number(integer(fields, 6))]!,
    startNanos: integer(fields, 7),
    endNanos: integer(fields, 8),
    attributes: attributes(fields, 9),
    links: messages(fields, 13).map((link) => {
      const linked = fieldsOf(link)
      return { traceId: hex(linked, 1), spanId: hex(linked, 2) }
    }),
    status: STATUSES[Number(integer(fieldsOf(messages(fields, 15)[0] ?? new Uint8Array()), 3))]!,
    resource
  }
}

/** All spans of one request. */
export const decodeTraces = (body: Uint8Array): ReadonlyArray<OtlpSpan> =>
  messages(fieldsOf(body), 1).flatMap((resourceSpans) => {
    const fields = fieldsOf(resourceSpans)
    const resource = attributes(fieldsOf(messages(fields, 1)[0] ?? new Uint8Array()), 1)
    return messages(fields, 2).flatMap((scopeSpans) =>
      messages(fieldsOf(scopeSpans), 2).map((bytes) => span(bytes, resource))
    )
  })
