/** The suppliers' keys from the configured sources, signed with by the fastest means at hand. */
import { Effect, Layer } from "effect"
import type { KeysConfig } from "../adapters/config/KeysConfig.ts"
import * as SupplierKeysNative from "../adapters/crypto/SupplierKeysNative.ts"
import type { NoUsableKeys } from "../adapters/keys/KeyProblem.ts"
import { type Environment, type KeyringRefused, keySettings } from "../adapters/keys/KeySettings.ts"
import * as ReloadingKeys from "../adapters/keys/ReloadingKeys.ts"
import type { SupplierKeys } from "../domain/ports/SupplierKeys.ts"

/**
 * Keys that follow their sources, unless `isFollowed` is false (`hot_reload_enabled`; relayers always follow). Fails when
 * no source gives a key. The environment may hold the passphrase of a keyring.
 */
export const layer = (
  keys: KeysConfig,
  isFollowed: boolean,
  environment: Environment = process.env
): Layer.Layer<SupplierKeys, NoUsableKeys | KeyringRefused> =>
  Layer.unwrap(
    Effect.map(Effect.fromResult(keySettings(keys, environment)), (settings) =>
      ReloadingKeys.layer(
        settings,
        SupplierKeysNative.layerRing,
        isFollowed ? ReloadingKeys.defaultReloadTiming : "never"
      )
    )
  )
