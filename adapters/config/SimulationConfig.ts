/**
 * The `simulation` section: identities whose pinned rings may send simulated relays. Identities of a section that is
 * off never stop a start; what is wrong with them is only a warning.
 */
import { Option, Result, Schema } from "effect"
import { decodePoint, encodePoint } from "../../domain/ring/CurvePoint.ts"
import { PLACEHOLDER } from "../../domain/ring/RingMembers.ts"
import { joinPlace, key, listOf, optional, type Reader, required, section, type ValueOf } from "./ConfigReader.ts"
import { Findings } from "./Findings.ts"
import { GoBoolean, NonEmptyText } from "./GoScalar.ts"
import { count, flag, flagNotBuilt, seconds } from "./KeyKinds.ts"
import { quoteFound, textCodec, type TextCodec } from "./TextCodec.ts"

/**
 * Hex of a 33-byte compressed public key on the curve that is not the placeholder, whose private key everybody knows.
 */
export const RingPublicKey: TextCodec<Uint8Array> = textCodec(
  Schema.Uint8Array,
  (text) => {
    const bytes = Schema.decodeResult(Schema.Uint8ArrayFromHex)(text.trim().replace(/^0x/i, ""))
    const point = Result.isSuccess(bytes) ? decodePoint(bytes.success) : undefined
    if (point === undefined) {
      return Result.fail("expected a compressed public key of secp256k1; write 66 hex digits that start with 02 or 03")
    }
    const encoded = encodePoint(point)
    return encoded.every((byte, index) => byte === PLACEHOLDER.publicKey[index])
      ? Result.fail(
          "is the placeholder key of applications without gateways, with which anybody can sign; write another key"
        )
      : Result.succeed(encoded)
  },
  (bytes) => Schema.encodeSync(Schema.Uint8ArrayFromHex)(bytes)
)

/** RFC 3339 to milliseconds since the epoch. */
const Rfc3339: TextCodec<number> = textCodec(
  Schema.Finite,
  (text) => {
    const millis = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/.test(text)
      ? Date.parse(text)
      : Number.NaN
    return Number.isNaN(millis)
      ? Result.fail(`expected a time in RFC 3339, found ${quoteFound(text)}; write for example 2027-01-31T00:00:00Z`)
      : Result.succeed(millis)
  },
  (millis) => new Date(millis).toISOString()
)

const publicKeyHex = (meaning: string) =>
  required("write 66 hex digits that start with 02 or 03", { codec: RingPublicKey, type: "hex, 33 bytes", meaning })

const identity = section(
  {
    keyId: key(
      "key_id",
      required("write a name that simulated requests carry in Pocket-Simulation-Key-Id", {
        codec: NonEmptyText,
        type: "text",
        meaning: "Unique name, sent in `Pocket-Simulation-Key-Id`."
      })
    ),
    enabled: key("enabled", flag(false, "Admit this identity.")),
    applicationPublicKey: key("app_pubkey_hex", publicKeyHex("Application of the pinned ring; not the placeholder.")),
    gatewayPublicKeys: key(
      "gateway_pubkeys_hex",
      listOf(publicKeyHex("Gateways of the pinned ring, at least one."), "public keys")
    ),
    maxRequestsPerSecond: key("max_rps", count({ fallback: "5" }, "Requests in a second, with as large a burst.")),
    notAfter: key(
      "not_after",
      optional({ codec: Rfc3339, type: "RFC 3339 time", meaning: "Refused afterwards; a time in the past only warns." })
    ),
    allowedServices: key(
      "allowed_services",
      listOf(
        required("write a service id, or remove the item", {
          codec: NonEmptyText,
          type: "list of service ids",
          meaning: "Only these services; left out: all."
        }),
        "service ids"
      )
    )
  },
  {
    check: (value, place, node, findings) => {
      const keys = node?.entries.get("gateway_pubkeys_hex")
      if (keys === undefined || keys.kind !== "list" || keys.items.length === 0) {
        findings.problem(
          joinPlace(place, "gateway_pubkeys_hex"),
          keys ?? node,
          "needs at least one key; write the gateway's public key in hex"
        )
      }
      return value
    }
  }
)
/** Value of one identity: who may send simulated relays, and for which services. */
export type SimulationIdentity = ValueOf<typeof identity>

const fields = section(
  {
    enabled: key(
      "enabled",
      flagNotBuilt(false, "Admit simulated relays.", "simulated relays are not built in here; set it to false")
    ),
    maxConcurrent: key("max_concurrent", count({ fallback: "32" }, "Simulated relays at one time.")),
    freshness: key(
      "freshness_window_seconds",
      seconds({ fallback: "30" }, "Greatest distance of a request's time from now.")
    ),
    identities: key("identities", listOf(identity, "identities"))
  },
  {
    check: (value, place, node, findings) => {
      const names = new Set<string>()
      for (const { keyId } of value.identities ?? []) {
        if (names.has(keyId)) {
          findings.problem(
            joinPlace(place, "identities"),
            node?.entries.get("identities"),
            `two identities have the key_id ${quoteFound(keyId)}; rename one`
          )
        }
        names.add(keyId)
      }
      const listed = node?.entries.get("identities")
      if (value.enabled === true && (listed?.kind !== "list" || listed.items.length === 0)) {
        findings.problem(
          joinPlace(place, "identities"),
          listed ?? node,
          "needs at least one identity when simulation is enabled; add one or set enabled to false"
        )
      }
    }
  }
)
/** Value of the simulation section; `enabled` is refused where it is not built in. */
export type SimulationConfig = ValueOf<typeof fields>

/** `simulation`; problems of a section that is off become warnings. */
export const simulation: Reader<SimulationConfig> = {
  read: (node, place, findings) => {
    if (isOn(node?.kind === "mapping" ? node.entries.get("enabled") : undefined))
      return fields.read(node, place, findings)
    const aside = new Findings()
    const value = fields.read(node, place, aside)
    for (const finding of aside.problems) {
      // A switch that cannot be read is no section that is off.
      if (finding.place === joinPlace(place, "enabled")) findings.problems.push(finding)
      else
        findings.warnings.push({ ...finding, sentence: `${finding.sentence} (without effect while simulation is off)` })
    }
    findings.warnings.push(...aside.warnings)
    return Option.orElse(value, () => fields.read(undefined, place, new Findings()))
  },
  rows: fields.rows
}

const isOn = (node: { readonly kind: string; readonly text?: string } | undefined): boolean =>
  node?.kind === "scalar" && Result.getOrElse(Schema.decodeResult(GoBoolean)(node.text ?? ""), () => false)
