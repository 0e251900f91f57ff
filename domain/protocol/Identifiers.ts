/** Texts of the protocol that are easily confused with one another, each a type of its own. */
import { Schema } from "effect"

/** Bech32 operator address of a supplier, prefix `pokt`. */
export const SupplierAddress = Schema.String.pipe(Schema.brand("SupplierAddress"))
export type SupplierAddress = typeof SupplierAddress.Type

/** Bech32 address of an application, prefix `pokt`. */
export const ApplicationAddress = Schema.String.pipe(Schema.brand("ApplicationAddress"))
export type ApplicationAddress = typeof ApplicationAddress.Type

/** Service id: 1 to 42 characters of `A–Z a–z 0–9 _ -`. */
export const ServiceId = Schema.String.pipe(Schema.brand("ServiceId"))
export type ServiceId = typeof ServiceId.Type

/** Lower-case hex of the SHA3-256 session id. */
export const SessionId = Schema.String.pipe(Schema.brand("SessionId"))
export type SessionId = typeof SessionId.Type
