// What settings must hold together, what a reload may change, and the nearest spelling. Pure, any thread.
//
// SPDX-License-Identifier: Apache-2.0

enum SettingsCheck {
    /// Throws when two settings contradict each other, naming both.
    static func together(_ settings: Settings) throws(SettingsError) {
        if settings.userHeader != nil, settings.trustedProxies.isEmpty {
            throw SettingsError(
                problem: "user-header is set but trusted-proxies is not, so anybody could claim to be anybody",
                advice: "set trusted-proxies to the address of your reverse proxy")
        }
        if settings.jwtKeys != nil, settings.jwtIssuer == nil || settings.jwtAudience == nil {
            throw SettingsError(
                problem: "jwt-keys is set but jwt-issuer or jwt-audience is not, so a token meant for somebody else would do",
                advice: "set jwt-issuer and jwt-audience to what your identity provider writes into iss and aud")
        }
        if settings.introspectionUrl != nil, settings.introspectionClientId == nil || settings.introspectionSecret == nil {
            throw SettingsError(
                problem: "introspection-url is set but introspection-client-id or introspection-secret is not",
                advice: "set both to what your identity provider has given the relay")
        }
        if settings.proxyProtocol, settings.trustedProxies.isEmpty {
            throw SettingsError(
                problem: "proxy-protocol is on but trusted-proxies is not set, so every connection would be closed",
                advice: "set trusted-proxies to the address of your load balancer")
        }
        try tls(settings)
        if settings.roomMemoryBytes > settings.processMemoryBytes {
            throw SettingsError(
                problem: "room-memory-bytes is larger than process-memory-bytes",
                advice: "lower the first or raise the second")
        }
        let largest = max(settings.clientMessageBytes, settings.sdMessageBytes)
        if largest > settings.roomMemoryBytes {
            throw SettingsError(
                problem: "room-memory-bytes is smaller than the largest message (\(ByteText.describe(largest)))",
                advice: "raise room-memory-bytes, or lower client-message-bytes and sd-message-bytes")
        }
    }

    private static func tls(_ settings: Settings) throws(SettingsError) {
        if (settings.tlsCert == nil) != (settings.tlsKey == nil) {
            let (given, missing) = settings.tlsCert == nil ? ("tls-key", "tls-cert") : ("tls-cert", "tls-key")
            throw SettingsError(problem: "\(given) is set but \(missing) is not", advice: "set both; they may name the same file")
        }
        if settings.tlsSelfSigned, settings.tlsCert != nil {
            throw SettingsError(
                problem: "tls-cert and tls-self-signed are both set", advice: "leave out tls-self-signed to use your own certificate")
        }
    }
}

extension Settings {
    /// What a reload makes of the running settings.
    package struct Reload: Sendable {
        /// The running settings with every reloadable change applied.
        package var settings: Settings
        package var applied: [String]
        /// Names of settings that changed and need a restart.
        package var waiting: [String]
    }

    /// What a reload to `new` makes of these. Throws where what is new contradicts what stays until a restart.
    package func reloading(_ new: Settings) throws(SettingsError) -> Reload {
        var out = Reload(settings: self, applied: [], waiting: [])
        for setting in SettingsTable.all {
            let text = setting.value(in: new)
            if text == setting.value(in: self) { continue }
            if setting.isReloadable {
                out.applied.append(setting.name)
                setting.copy(from: new, to: &out.settings)
            } else {
                out.waiting.append(setting.name)
            }
        }
        try SettingsCheck.together(out.settings)
        return out
    }
}

extension Setting {
    /// Copies this setting's value as it is.
    func copy(from source: Settings, to target: inout Settings) {
        switch kind {
        case .duration(let p, _): target[keyPath: p] = source[keyPath: p]
        case .expiry(let p, _): target[keyPath: p] = source[keyPath: p]
        case .bytes(let p, _), .count(let p, _, _): target[keyPath: p] = source[keyPath: p]
        case .addresses(let p): target[keyPath: p] = source[keyPath: p]
        case .admin(let p): target[keyPath: p] = source[keyPath: p]
        case .networks(let p): target[keyPath: p] = source[keyPath: p]
        case .origins(let p), .hosts(let p), .words(let p, _): target[keyPath: p] = source[keyPath: p]
        case .origin(let p), .headerName(let p), .file(let p), .word(let p), .service(let p): target[keyPath: p] = source[keyPath: p]
        case .directory(let p, _): target[keyPath: p] = source[keyPath: p]
        case .level(let p): target[keyPath: p] = source[keyPath: p]
        case .format(let p): target[keyPath: p] = source[keyPath: p]
        case .claim(let p): target[keyPath: p] = source[keyPath: p]
        case .toggle(let p): target[keyPath: p] = source[keyPath: p]
        case .policy(let p): target[keyPath: p] = source[keyPath: p]
        }
    }
}

enum Spelling {
    /// The candidate that is at most a third of its letters away; nil when none is.
    static func nearest(to word: String, among candidates: [String]) -> String? {
        guard word.utf8.count <= 64 else { return nil }
        let letters = Array(word.lowercased().replacing("_", with: "-").utf8)
        let measured = candidates.map { (name: $0, distance: distance(letters, Array($0.utf8))) }
        guard let best = measured.min(by: { $0.distance < $1.distance }), best.distance * 3 <= max(3, best.name.utf8.count)
        else { return nil }
        return best.name
    }

    /// Levenshtein's edit distance.
    private static func distance(_ a: [UInt8], _ b: [UInt8]) -> Int {
        var row = Array(0...b.count)
        for i in a.indices {
            var diagonal = row[0]
            row[0] = i + 1
            for j in b.indices {
                let replaced = diagonal + (a[i] == b[j] ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(replaced, min(row[j], diagonal) + 1)
            }
        }
        return row[b.count]
    }
}
