// The page's session cookie: its name, how it is read and how it is set (RFC 6265, with the `__Host-` prefix of RFC 6265bis).
//
// Pure, any thread. Over TLS only the prefixed name counts, since a plain one can be planted by a neighbouring host.
// SPDX-License-Identifier: Apache-2.0

enum SessionCookie {
    static func name(isSecure: Bool) -> String { isSecure ? "__Host-linkrelay_session" : "linkrelay_session" }

    /// The session's secret; nil when there is none, or when there are several and nobody can say which one is ours.
    static func value(in request: HTTPRequest) -> String? {
        let name = name(isSecure: request.isSecure)
        var found: String?
        for header in request.headers where header.name == "cookie" {
            for pair in header.value.utf8.split(separator: 0x3B) {
                let trimmed = pair.drop { $0 == 0x20 || $0 == 0x09 }
                guard let equals = trimmed.firstIndex(of: 0x3D), trimmed[..<equals].elementsEqual(name.utf8) else { continue }
                let value = trimmed[trimmed.index(after: equals)...]
                guard found == nil, (1...512).contains(value.count) else { return nil }
                found = String(decoding: value, as: UTF8.self)
            }
        }
        return found
    }

    /// `Set-Cookie` for a new session. `value` is of our own making: no character in it needs quoting.
    static func set(_ value: String, isSecure: Bool) -> (name: String, value: String) {
        header(value, maxAgeSeconds: StoreRules.webSessionLifeMilliseconds / 1000, isSecure: isSecure)
    }

    /// `Set-Cookie` that makes the browser forget.
    static func clear(isSecure: Bool) -> (name: String, value: String) {
        header("", maxAgeSeconds: 0, isSecure: isSecure)
    }

    private static func header(_ value: String, maxAgeSeconds: Int64, isSecure: Bool) -> (name: String, value: String) {
        let attributes = "Path=/; HttpOnly; SameSite=Strict; Max-Age=\(maxAgeSeconds)" + (isSecure ? "; Secure" : "")
        return ("Set-Cookie", "\(name(isSecure: isSecure))=\(value); \(attributes)")
    }
}
