/** Calls of CometBFT's RPC and its errors, apart from what they do. Source: cometbft `rpc/jsonrpc`. */
import { Result } from "effect"
import { textToBytes } from "../../../domain/wire/ByteText.ts"
import type { Json, JsonObject } from "./GoJson.ts"

/** An error answer. */
export interface RpcError {
  readonly code: number
  readonly message: string
  readonly data: string
}

/** The method failed. */
export const internalError = (data: string): RpcError => ({ code: -32603, message: "Internal error", data })
/** The arguments are not those of the method. */
export const invalidParams = (data: string): RpcError => ({ code: -32602, message: "Invalid params", data })
/** No such method. */
export const methodNotFound: RpcError = { code: -32601, message: "Method not found", data: "" }
/** The request as a whole is refused. */
export const invalidRequest = (data: string): RpcError => ({ code: -32600, message: "Invalid Request", data })
/** The body is no JSON. */
export const parseError = (data: string): RpcError => ({ code: -32700, message: "Parse error. Invalid JSON", data })

/** A subscription has ended. */
export const serverError = (data: string): RpcError => ({ code: -32000, message: "Server error", data })

/** Kinds of arguments: `int` and `height` are decimal text, `bytes` base64 in JSON, `hex` hexadecimal text in JSON. */
export type ArgKind = "string" | "int" | "bytes" | "hex" | "bool"

/** Arguments of a method in order, by name. */
export type ArgKinds = Readonly<Record<string, ArgKind>>

/** Arguments as they came; undefined where none was given. */
export type Args = Readonly<Record<string, string | bigint | Uint8Array | boolean | undefined>>

/** Reads `params` of a POST or a WebSocket frame: an object by name, or an array in order. */
export const readParams = (kinds: ArgKinds, params: unknown): Result.Result<Args, RpcError> => {
  const names = Object.keys(kinds)
  if (params === undefined || params === null) return Result.succeed({})
  if (typeof params !== "object") return Result.fail(invalidParams("unknown type for JSON params"))
  if (Array.isArray(params) && params.length !== names.length) {
    return Result.fail(
      invalidParams(
        `error converting json params to arguments: expected ${names.length} parameters, got ${params.length}`
      )
    )
  }
  const args: Record<string, Args[string]> = {}
  for (const [index, name] of names.entries()) {
    const value: unknown = Array.isArray(params) ? params[index] : Reflect.get(params, name)
    if (value === undefined || value === null) continue
    const read = readJson(kinds[name] ?? "string", value)
    if (Result.isFailure(read)) {
      return Result.fail(invalidParams(`error converting json params to arguments: ${name}: ${read.failure}`))
    }
    args[name] = read.success
  }
  return Result.succeed(args)
}

const readJson = (kind: ArgKind, value: unknown): Result.Result<Args[string], string> => {
  if (kind === "bool") {
    return typeof value === "boolean" ? Result.succeed(value) : Result.fail("json: cannot unmarshal into bool")
  }
  if (typeof value !== "string") return Result.fail(`invalid ${kind === "int" ? "64-bit " : ""}${kind} encoding`)
  switch (kind) {
    case "int":
      return /^-?[0-9]{1,19}$/.test(value) ? Result.succeed(BigInt(value)) : Result.fail(`"${value}" is no number`)
    case "hex":
      return readHex(value)
    case "bytes":
      return /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(value)
        ? Result.succeed(Uint8Array.from(Buffer.from(value, "base64")))
        : Result.fail("illegal base64 data")
    default:
      return Result.succeed(value)
  }
}

/** Reads the query of a GET: strings in double quotes, bytes as `0x` and hexadecimal, numbers bare or in quotes. */
export const readQuery = (kinds: ArgKinds, search: URLSearchParams): Result.Result<Args, RpcError> => {
  const args: Record<string, Args[string]> = {}
  for (const [name, kind] of Object.entries(kinds)) {
    const raw = search.get(name)
    if (raw === null || raw === "") continue
    const read = readText(kind, raw)
    if (Result.isFailure(read)) {
      return Result.fail(invalidParams(`error converting http params to arguments: ${name}: ${read.failure}`))
    }
    args[name] = read.success
  }
  return Result.succeed(args)
}

const readText = (kind: ArgKind, raw: string): Result.Result<Args[string], string> => {
  const quoted = /^"(.*)"$/s.exec(raw)?.[1]
  const isHex = raw.startsWith("0x")
  switch (kind) {
    case "bool":
      return raw === "true" || raw === "false" ? Result.succeed(raw === "true") : Result.fail(`${raw} is no bool`)
    case "int": {
      const text = quoted ?? raw
      return /^-?[0-9]{1,19}$/.test(text) ? Result.succeed(BigInt(text)) : Result.fail(`${raw} is no number`)
    }
    case "string":
      if (isHex) return Result.map(readHex(raw.slice(2)), (bytes) => Buffer.from(bytes).toString())
      return quoted === undefined ? Result.fail(`invalid character in ${raw}`) : Result.succeed(quoted)
    default:
      if (isHex) return readHex(raw.slice(2))
      return quoted === undefined ? Result.fail(`expected 0x and hex, got ${raw}`) : Result.succeed(textToBytes(quoted))
  }
}

const readHex = (text: string): Result.Result<Uint8Array, string> =>
  /^(?:[0-9a-fA-F]{2})*$/.test(text)
    ? Result.succeed(Uint8Array.from(Buffer.from(text, "hex")))
    : Result.fail("encoding/hex: invalid byte")

/** Ids of requests: what came is sent back. */
export type RpcId = string | number

/** A successful answer. */
export const success = (id: RpcId, result: Json): JsonObject => ({ jsonrpc: "2.0", id, result })

/** An error answer. */
export const failureAnswer = (id: RpcId | null, { code, data, message }: RpcError): JsonObject => ({
  jsonrpc: "2.0",
  id,
  error: data === "" ? { code, message } : { code, message, data }
})

/** A request with a method; an `id` of undefined wants no answer. */
export interface RpcRequest {
  readonly id: RpcId | undefined
  readonly method: string
  readonly params: unknown
}

/** Reads one request. */
export const readRequest = (value: unknown): Result.Result<RpcRequest, RpcError> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return Result.fail(invalidRequest("a request is an object"))
  }
  const method: unknown = Reflect.get(value, "method")
  const id: unknown = Reflect.get(value, "id")
  if (typeof method !== "string") return Result.fail(invalidRequest("a request has a method"))
  return Result.succeed({
    id: typeof id === "string" || typeof id === "number" ? id : undefined,
    method,
    params: Reflect.get(value, "params")
  })
}
