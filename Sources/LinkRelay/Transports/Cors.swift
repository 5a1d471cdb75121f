// CORS answers for the polling transport, from the one allow-list. Any thread. SPDX-License-Identifier: Apache-2.0

extension OriginPolicy {
    /// What an answer to this Origin says; nothing for a same-origin or originless request. Never reflects what is not on the list.
    func corsHeaders(origin: String?, host: String?, isSecure: Bool) -> [(name: String, value: String)] {
        guard case .allowed(let allowed) = judge(origin: origin, host: host, isSecure: isSecure) else { return [("Vary", "Origin")] }
        return [("Access-Control-Allow-Origin", allowed), ("Access-Control-Allow-Credentials", "true"), ("Vary", "Origin")]
    }
}
