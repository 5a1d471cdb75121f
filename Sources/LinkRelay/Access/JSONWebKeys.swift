// The public keys of an identity provider, from a JWKS file (RFC 7517): RSA, P-256 and Ed25519.
//
// A value, any thread. A key fixes the algorithm it verifies with; what a token says about algorithms or about where keys are is never
// acted upon. Keys of other kinds or uses are passed over. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

package struct JSONWebKeys: Sendable {
    struct Key: Sendable {
        var id: String?
        var algorithm: Crypto.Algorithm
        var a: [UInt8]
        var b: [UInt8]
    }

    /// A provider has a handful: the present one, the next, the last.
    static let keyCount = 32
    package static let fileBytes = 256 * 1024

    let keys: [Key]

    /// Nil when the text is no key set or holds no usable key.
    package init?(parsing bytes: [UInt8]) {
        guard bytes.count <= Self.fileBytes, let value = try? JSONValue(parsing: bytes), let items = value["keys"]?.arrayValue
        else { return nil }
        keys = Array(items.compactMap(Self.key).prefix(Self.keyCount))
        if keys.isEmpty { return nil }
    }

    private static func key(_ value: JSONValue) -> Key? {
        if let use = value["use"], use.stringValue != "sig" { return nil }
        let algorithm: Crypto.Algorithm
        let parts: (String, String?)
        switch (value["kty"]?.stringValue, value["crv"]?.stringValue) {
        case ("RSA", nil): (algorithm, parts) = (.rs256, ("n", "e"))
        case ("EC", "P-256"): (algorithm, parts) = (.es256, ("x", "y"))
        case ("OKP", "Ed25519"): (algorithm, parts) = (.edDSA, ("x", nil))
        default: return nil
        }
        if let stated = value["alg"]?.stringValue, !algorithm.names.contains(stated) { return nil }
        guard let a = bytes(value, parts.0), let b = parts.1.map({ bytes(value, $0) }) ?? [] else { return nil }
        return Key(id: value["kid"]?.stringValue, algorithm: algorithm, a: a, b: b)
    }

    private static func bytes(_ value: JSONValue, _ name: String) -> [UInt8]? {
        (value[name]?.stringValue).flatMap { Base64URL.decode($0.utf8) }
    }
}

extension Crypto.Algorithm {
    /// What tokens call it (RFC 7518, RFC 8037, RFC 9864).
    var names: [String] {
        switch self {
        case .rs256: ["RS256"]
        case .es256: ["ES256"]
        case .edDSA: ["EdDSA", "Ed25519"]
        }
    }
}
