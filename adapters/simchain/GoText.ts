/** How Go prints the values that stand in the chain's error texts. */
import type { Coin } from "../../domain/chain/Coin.ts"

/** `%q` of a byte text: double quotes, escapes for quotes, backslashes and bytes that are not printable ASCII. */
export const quoted = (text: string): string => {
  let inner = ""
  for (const character of text) {
    const code = character.charCodeAt(0)
    if (character === '"' || character === "\\") inner += `\\${character}`
    else if (code === 0x0a) inner += "\\n"
    else if (code === 0x0d) inner += "\\r"
    else if (code === 0x09) inner += "\\t"
    else if (code < 0x20 || code > 0x7e) inner += `\\x${code.toString(16).padStart(2, "0")}`
    else inner += character
  }
  return `"${inner}"`
}

/** `time.Time.String()` of a UTC time in nanoseconds since the Unix epoch: `2026-01-02 03:04:05.000000006 +0000 UTC`. */
export const goTime = (unixNano: bigint): string => {
  const seconds = unixNano / 1_000_000_000n
  const [date = "", clock = ""] = new Date(Number(seconds) * 1000).toISOString().replace(/\..*$/, "").split("T")
  const nanos = (unixNano % 1_000_000_000n).toString().padStart(9, "0").replace(/0+$/, "")
  return `${date} ${clock}${nanos === "" ? "" : `.${nanos}`} +0000 UTC`
}

/** `sdk.Coins.String()`: `5upokt,7x`, empty for none. */
export const goCoins = (coins: ReadonlyArray<Coin>): string =>
  coins.map(({ amount, denom }) => `${amount}${denom}`).join(",")

/** The place in the source that Go inserts into some texts. It depends on the build; this one is ours. */
export const LOCATION = " [simulated/chain.go:1]"
