// Reads the identity provider's public keys from the file that the settings name. Any thread; blocks on the disk.
// SPDX-License-Identifier: Apache-2.0

import LinkRelay

enum TrustedKeys {
    /// Nil when no provider is trusted; throws a sentence for a file that is not there or holds no usable key.
    static func load(_ settings: Settings) throws(FileProblem) -> TokenTrust? {
        guard let path = settings.jwtKeys, let issuer = settings.jwtIssuer, let audience = settings.jwtAudience else { return nil }
        guard let bytes = try ProcessEnvironment.contents(of: path) else { throw FileProblem("jwt-keys: there is no file \(path)") }
        guard let keys = JSONWebKeys(parsing: bytes) else {
            throw FileProblem("jwt-keys: \(path) is no JWKS with a usable RSA, P-256 or Ed25519 key")
        }
        return TokenTrust(keys: keys, issuer: issuer, audience: audience, userClaim: settings.jwtUserClaim)
    }
}
