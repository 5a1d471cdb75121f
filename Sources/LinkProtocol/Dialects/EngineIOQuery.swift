// The query of an Engine.IO request: `transport`, `EIO`, `sid`, `b64`, `j`.
//
// Cold path, any thread. Names are compared with a fixed list and never used to look anything up, so that `constructor` or
// `__proto__` mean nothing (CVE-2023-31125). SPDX-License-Identifier: Apache-2.0

extension EngineIO {
    public enum Transport: UInt8, Sendable, Hashable, CaseIterable {
        case polling, websocket
    }

    /// What a request's query says. Of a repeated name the first counts; other names are ignored.
    public struct Query: Sendable, Hashable {
        public static let maxBytes = 2048
        public static let maxPairs = 64

        /// Nil if absent or unknown: Engine.IO error 0.
        public var transport: Transport?
        /// Nil if absent or empty: a handshake. A bearer secret; never log it.
        public var sid: String?
        /// The protocol version as written; anything but `4` is Engine.IO error 5.
        public var eio: String?
        public var isSupportedVersion: Bool { eio == "4" }
        /// Whether the client cannot receive binary; the relay sends none anyway.
        public var hasB64 = false
        /// Whether the answer is to be a script (JSONP), which version 4 does not know: Engine.IO error 3.
        public var wantsScript = false

        /// From the text after `?`; nil if it is too long, has too many pairs or a broken percent escape.
        public init?(parsing query: String) {
            guard query.utf8.count <= Self.maxBytes else { return nil }
            let pairs = query.utf8.split(separator: 0x26, maxSplits: Self.maxPairs)
            guard pairs.count <= Self.maxPairs else { return nil }
            var seen: Set<String> = []
            for pair in pairs {
                let parts = pair.split(separator: 0x3D, maxSplits: 1, omittingEmptySubsequences: false)
                guard let name = parts.first.flatMap(Self.unescape) else { return nil }
                guard let value = Self.unescape(parts.count > 1 ? parts[1] : pair.suffix(0)) else { return nil }
                if seen.insert(name).inserted { take(name, value) }
            }
        }

        private mutating func take(_ name: String, _ value: String) {
            switch name {
            case "transport":
                transport = value == "polling" ? .polling : value == "websocket" ? .websocket : nil
            case "sid": sid = value.isEmpty ? nil : value
            case "EIO": eio = value
            case "b64": hasB64 = !value.isEmpty && value != "0" && value != "false"
            case "j": wantsScript = true
            default: break
            }
        }

        private static func unescape(_ text: Substring.UTF8View) -> String? {
            var out: [UInt8] = []
            out.reserveCapacity(text.count)
            var rest = text.makeIterator()
            while let byte = rest.next() {
                guard byte == 0x25 else {
                    out.append(byte == 0x2B ? 0x20 : byte)
                    continue
                }
                guard let high = rest.next().flatMap(Hex.nibble), let low = rest.next().flatMap(Hex.nibble) else {
                    return nil
                }
                out.append(high << 4 | low)
            }
            return String(validating: out, as: UTF8.self)
        }
    }
}
