/**
 * libsecp256k1 through the npm package `secp256k1`, loaded past the package's entry: that entry falls back to slow pure
 * JavaScript without saying so. Prebuilt for linux-x64 (glibc and musl), darwin-arm64 and win32-x64; the package is optional.
 * Sums go to its binding directly: the package writes an error message for each of up to 64 points before it looks at
 * it, which takes a fifth of the call and makes an eighth of a relay's garbage.
 */
import { createRequire } from "node:module"
import { dirname } from "node:path"
import { Effect, Result, Schema } from "effect"

/**
 * The functions used here. Points go in as 33 or 65 bytes; `compressed` chooses the output, written to `output` if given.
 * Each throws where the result is no point or scalar (zero scalar, infinite sum, undecodable input).
 */
export interface Secp256k1Native {
  readonly publicKeyConvert: (publicKey: Uint8Array, compressed: boolean, output?: Uint8Array) => Uint8Array
  readonly publicKeyCreate: (scalar: Uint8Array, compressed: boolean, output?: Uint8Array) => Uint8Array
  readonly publicKeyTweakMul: (
    publicKey: Uint8Array,
    scalar: Uint8Array,
    compressed: boolean,
    output?: Uint8Array
  ) => Uint8Array
  readonly publicKeyCombine: (
    publicKeys: ReadonlyArray<Uint8Array>,
    compressed: boolean,
    output?: Uint8Array
  ) => Uint8Array
  readonly ecdsaRecover: (
    signature: Uint8Array,
    recovery: number,
    message: Uint8Array,
    compressed: boolean,
    output?: Uint8Array
  ) => Uint8Array
  readonly ecdsaSign: (message: Uint8Array, privateKey: Uint8Array) => { readonly signature: Uint8Array }
}

/** The package is not installed, or has no part for this platform; `cause` is the loader's error. */
export class NativeUnavailable extends Schema.TaggedError<NativeUnavailable>()("NativeUnavailable", {
  platform: Schema.String,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `no native secp256k1 for ${this.platform}: signatures are verified (on worker threads) and made in pure code, some 10 times slower`
  }
}

/** The package's binding: writes the sum to `output`, 33 or 65 bytes; 0 if there is one. It aborts on an empty list. */
interface Binding {
  readonly publicKeyCombine: (output: Uint8Array, publicKeys: ReadonlyArray<Uint8Array>) => number
}

/** Loads the native part, once; repeated calls give the same library or the same failure. */
export const loadSecp256k1Native = (): Result.Result<Secp256k1Native, NativeUnavailable> => {
  loaded ??= Result.try({
    try: load,
    catch: (cause) => new NativeUnavailable({ platform: `${process.platform}-${process.arch}`, cause })
  })
  return loaded
}

/** What the package's `bindings.js` does, which keeps the binding to itself. It has no types: its 5.0 API has these. */
const load = (): Secp256k1Native => {
  const entry = createRequire(import.meta.url).resolve("secp256k1/bindings.js")
  const ofPackage = createRequire(entry)
  const addon = (ofPackage("node-gyp-build") as (folder: string) => { readonly Secp256k1: new () => Binding })(
    dirname(entry)
  )
  const binding = new addon.Secp256k1()
  const checked = (ofPackage("./lib") as (binding: Binding) => Secp256k1Native)(binding)
  return {
    ...checked,
    publicKeyCombine: (publicKeys, compressed, output = new Uint8Array(compressed ? 33 : 65)) => {
      const fits = publicKeys.length > 0 && output.length === (compressed ? 33 : 65)
      if (!fits || binding.publicKeyCombine(output, publicKeys) !== 0) throw new Error("the points have no sum")
      return output
    }
  }
}

/** Logs a failure as a warning the first time that it is met: verification and signing share one. */
export const warnOnce = (failure: NativeUnavailable): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (warned.has(failure)) return Effect.void
    warned.add(failure)
    return Effect.logWarning(failure.message)
  })

let loaded: Result.Result<Secp256k1Native, NativeUnavailable> | undefined
const warned = new WeakSet<NativeUnavailable>()
