// What an operator or owner writes into a policy: hosts to download from, hosts of the own network, file suffixes.
//
// Pure, any thread. Each kind of word has one parser, whose answer is the word's one spelling. SPDX-License-Identifier: Apache-2.0

/// Which kind of word a list holds.
package enum PolicyWord: Sendable, CaseIterable {
    /// `civitai.com`, or `*.civitai.com` for every name below it (and not itself).
    case host
    /// `nas.local`, `192.168.1.20:8080`: allowed although local, over http as well; without a port, on every port.
    case lanHost
    /// `.safetensors`.
    case suffix

    /// Longest word, in bytes.
    static let byteCount = 253

    /// The word in the form in which it is compared; nil if it is none of this kind.
    package func parse(_ text: String) -> String? {
        guard (1...Self.byteCount).contains(text.utf8.count) else { return nil }
        switch self {
        case .host: return Self.host(text)
        case .lanHost: return Self.lanHost(text)
        case .suffix: return Self.suffix(text)
        }
    }

    package var accepted: String {
        switch self {
        case .host: "host names such as civitai.com or *.civitai.com, separated by commas"
        case .lanHost: "hosts of your own network such as nas.local or 192.168.1.20:8080, separated by commas"
        case .suffix: "file suffixes such as .safetensors, separated by commas"
        }
    }

    private static func host(_ text: String) -> String? {
        let isBelow = text.hasPrefix("*.")
        guard let host = try? DownloadHost(Array(text.utf8)[(isBelow ? 2 : 0)...]), host.rule == nil else { return nil }
        if host.address != nil { return isBelow ? nil : bracketed(host) }
        return (isBelow ? "*." : "") + host.text
    }

    private static func lanHost(_ text: String) -> String? {
        guard let address = try? DownloadAddress("http://" + text), !text.contains(where: { "/?#".contains($0) }) else { return nil }
        if let bytes = address.host.address, !NetworkRanges.mayBeLocal(bytes) { return nil }
        // `:80` is written out: without a port the word means every port.
        let port = address.port ?? (text.hasSuffix(":80") ? 80 : nil)
        return bracketed(address.host) + (port.map { ":\($0)" } ?? "")
    }

    private static func suffix(_ text: String) -> String? {
        let lowered = text.utf8.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        let isPlain = lowered.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2E || $0 == 0x2D || $0 == 0x5F
        }
        let parts = lowered.split(separator: 0x2E, omittingEmptySubsequences: false)
        guard isPlain, (2...32).contains(lowered.count), parts.first?.isEmpty == true,
            parts.dropFirst().allSatisfy({ !$0.isEmpty })
        else { return nil }
        return String(decoding: lowered, as: UTF8.self)
    }

    static func bracketed(_ host: DownloadHost) -> String { host.address?.count == 16 ? "[\(host.text)]" : host.text }
}
