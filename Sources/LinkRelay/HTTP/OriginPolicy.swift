// Which web origins may use the relay, and under which names it may be called: the answer to cross-site requests and to DNS
// rebinding (RFC 6454, RFC 9110 section 7.2).
//
// Pure value, any thread; REST, polling and WebSocket ask the same policy. Comparison is always of whole origins or whole
// hosts: it must never test a prefix, a suffix or a pattern, and never reflect an origin that is not on the list.
// SPDX-License-Identifier: Apache-2.0

package struct OriginPolicy: Sendable {
    /// Serialised origins (`scheme://host[:port]`), as they are compared and answered.
    package let allowed: Set<String>
    /// Configured entries that are no origin or no host; whoever read the settings tells the operator.
    package let unusable: [String]
    private let hosts: Set<String>

    /// - Parameters:
    ///   - allowed: origins of other sites that may call with credentials; a default port and upper case are normalised here.
    ///   - hosts: names, with or without a port, under which this relay is reached, beyond loopback and numeric addresses.
    package init(allowed: [String] = [], hosts: [String] = []) {
        var origins: Set<String> = []
        var names: Set<String> = []
        var unusable: [String] = []
        for text in allowed {
            if let origin = RequestOrigin(configured: text) { origins.insert(origin.serialized) } else { unusable.append(text) }
        }
        for text in hosts {
            if let host = RequestAuthority(text, foldingCase: true) { names.insert(host.text) } else { unusable.append(text) }
        }
        self.allowed = origins
        self.hosts = names
        self.unusable = unusable
    }

    package enum Verdict: Sendable, Hashable {
        /// No `Origin` header: no browser, or a browser's own navigation or same-origin read.
        case none
        /// The relay's own page.
        case sameOrigin
        /// On the list; the text to answer in `Access-Control-Allow-Origin`.
        case allowed(String)
        case refused
    }

    /// Judges a request's `Origin` against the list and against the request's own scheme, host and port.
    ///
    /// `host` is the `Host` header. `isSecure`: TLS here or at a declared proxy. An origin counts as the relay's own only
    /// under a host that `isHostAllowed`, so that a rebound name is nobody's own.
    package func judge(origin: String?, host: String?, isSecure: Bool) -> Verdict {
        guard let origin else { return .none }
        guard let parsed = RequestOrigin(header: origin) else { return .refused }
        if allowed.contains(parsed.serialized) { return .allowed(parsed.serialized) }
        guard let host, isHostAllowed(host), let own = RequestAuthority(host, foldingCase: true) else { return .refused }
        let scheme: RequestOrigin.Scheme = isSecure ? .https : .http
        return parsed == RequestOrigin(scheme: scheme, authority: own) ? .sameOrigin : .refused
    }

    /// Whether a `Host` header names this relay: loopback, a numeric address, or a configured name.
    ///
    /// Numeric addresses are fine, since rebinding needs a name that an attacker can point elsewhere.
    package func isHostAllowed(_ host: String) -> Bool {
        guard let authority = RequestAuthority(host, foldingCase: true) else { return false }
        if authority.isNumeric || authority.name == "localhost" { return true }
        return hosts.contains(authority.name) || hosts.contains(authority.text)
    }
}
