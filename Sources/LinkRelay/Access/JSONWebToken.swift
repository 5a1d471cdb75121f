// A signed token of an identity provider (RFC 7519), verified against keys the operator has put into a file.
//
// Pure, any thread; time is an argument. Strict: the key fixes the algorithm; addresses and keys in a header are never followed;
// expiry, issuer and audience must be there and right; a claim given twice is no claim. SPDX-License-Identifier: Apache-2.0

import LinkProtocol

/// What a token must say to be taken.
package struct TokenTrust: Sendable {
    package var keys: JSONWebKeys
    package var issuer: String
    package var audience: String
    /// The claim that names the user.
    package var userClaim: String

    package init(keys: JSONWebKeys, issuer: String, audience: String, userClaim: String) {
        self.keys = keys
        self.issuer = issuer
        self.audience = audience
        self.userClaim = userClaim
    }
}

/// Who an identity provider says a caller is.
struct OutsideIdentity: Sendable, Hashable {
    var name: String
    var scopes: Set<TokenScope>
}

enum JSONWebToken {
    static let byteCount = 8192
    /// How far clocks may differ, in seconds.
    static let leeway: Int64 = 60
    private static let depth = 16

    /// Whether the text looks like one: three parts separated by dots.
    static func isOne(_ text: String) -> Bool { text.utf8.count(where: { $0 == 0x2E }) == 2 }

    /// Nil for a token that is not to be taken, whatever the reason. `now` in seconds since 1970.
    static func verify(_ text: String, _ trust: TokenTrust, now: Int64) -> OutsideIdentity? {
        guard text.utf8.count <= byteCount else { return nil }
        let parts = text.utf8.split(separator: 0x2E, omittingEmptySubsequences: false)
        guard parts.count == 3, let signature = Base64URL.decode(parts[2]), let header = object(parts[0]),
            let claims = object(parts[1])
        else { return nil }
        let signed = Array(text.utf8.prefix(parts[0].count + 1 + parts[1].count))
        guard isSigned(signed, signature, header, trust.keys), isTimely(claims, now), isMeant(claims, trust) else { return nil }
        guard let name = claims[trust.userClaim]?.stringValue else { return nil }
        return OutsideIdentity(name: name, scopes: scopes(claims))
    }

    private static func object(_ part: Substring.UTF8View) -> JSONValue? {
        guard let bytes = Base64URL.decode(part), let value = try? JSONValue(parsing: bytes, maxDepth: depth),
            case .object(let members) = value
        else { return nil }
        var seen: Set<String> = []
        return members.allSatisfy { seen.insert($0.key).inserted } ? value : nil
    }

    private static func isSigned(_ bytes: [UInt8], _ signature: [UInt8], _ header: JSONValue, _ keys: JSONWebKeys) -> Bool {
        // An extension that must be understood is not.
        guard header["crit"] == nil, let algorithm = header["alg"]?.stringValue else { return false }
        if let type = header["typ"], !["jwt", "at+jwt", "application/at+jwt"].contains(type.stringValue?.lowercased()) { return false }
        var candidates = keys.keys.filter { $0.algorithm.names.contains(algorithm) }
        if let id = header["kid"] {
            guard let id = id.stringValue else { return false }
            candidates.removeAll { $0.id.map { !$0.utf8.elementsEqual(id.utf8) } ?? false }
        }
        return candidates.contains { Crypto.verify($0.algorithm, $0.a, $0.b, bytes, signature: signature) }
    }

    private static func isTimely(_ claims: JSONValue, _ now: Int64) -> Bool {
        guard let end = seconds(claims["exp"]), end.addingClamped(leeway) > now else { return false }
        for name in ["nbf", "iat"] {
            guard let value = claims[name] else { continue }
            guard let start = seconds(value), start.addingClamped(-leeway) <= now else { return false }
        }
        return true
    }

    /// A NumericDate; its fraction is dropped.
    static func seconds(_ value: JSONValue?) -> Int64? {
        guard case .number(let text)? = value, let whole = text.split(separator: ".", maxSplits: 1).first else { return nil }
        guard !text.utf8.contains(where: { $0 | 0x20 == 0x65 }) else { return nil }
        return Int64(whole)
    }

    private static func isMeant(_ claims: JSONValue, _ trust: TokenTrust) -> Bool {
        guard claims["iss"]?.stringValue?.utf8.elementsEqual(trust.issuer.utf8) == true else { return false }
        let audiences: [JSONValue]
        switch claims["aud"] {
        case .string(let one)?: audiences = [.string(one)]
        case .array(let several)?: audiences = several
        default: return false
        }
        return audiences.contains { $0.stringValue?.utf8.elementsEqual(trust.audience.utf8) == true }
    }

    /// The words of `scope` (RFC 8693 section 4.2) or `scp` that mean something here.
    static func scopes(_ claims: JSONValue) -> Set<TokenScope> {
        var words: [String] = []
        for value in [claims["scope"], claims["scp"]] {
            switch value {
            case .string(let text)?: words += text.split(separator: " ").map(String.init)
            case .array(let items)?: words += items.compactMap(\.stringValue)
            default: break
            }
        }
        return Set(words.compactMap { TokenScope(rawValue: $0) })
    }
}
