// The routing fields of a message that was too large to keep: what its first bytes tell.
//
// Pure, any thread, cold path. Best effort: an id that comes later in the message is not found, and then only the sender is told.
// SPDX-License-Identifier: Apache-2.0

import LinkProtocol

enum TruncatedEnvelope {
    /// Looks for `id`, as it is compared, and `type` at nesting depth 2, where both dialects have the envelope's members.
    static func routingFields(_ prefix: UnsafeRawBufferPointer) -> (id: [UInt8], type: [UInt8]) {
        var id: [UInt8] = []
        var type: [UInt8] = []
        var depth = 0
        var key: [UInt8] = []
        var isValue = false
        var i = 0
        while i < prefix.count {
            switch prefix[i] {
            case 0x7B, 0x5B: depth += 1; isValue = false; key = []
            case 0x7D, 0x5D: depth -= 1; isValue = false; key = []
            case 0x2C: isValue = false; key = []
            case 0x3A: isValue = true
            case 0x22:
                guard let end = endOfString(prefix, from: i + 1) else { return (id, type) }
                let text = Array(prefix[(i + 1)..<end])
                if !isValue {
                    key = text
                } else if depth == 2, id.isEmpty, key.elementsEqual("id".utf8) {
                    id = JSONString.plain(text.span.bytes)
                } else if depth == 2, type.isEmpty, key.elementsEqual("type".utf8) {
                    type = text
                }
                i = end
            default: break
            }
            i += 1
        }
        return (id, type)
    }

    /// The `ack` of a native message, a raw JSON value, if it stands before `data`; empty if it is anything but a whole number or a plain string.
    static func nativeAck(_ prefix: UnsafeRawBufferPointer) -> [UInt8] {
        var key: [UInt8] = []
        var isValue = false
        var i = 0
        while i < prefix.count {
            switch prefix[i] {
            case 0x22:
                guard let end = endOfString(prefix, from: i + 1) else { return [] }
                if isValue, key.elementsEqual("ack".utf8) { return plain(prefix[i...end]) }
                key = Array(prefix[(i + 1)..<end])
                i = end
            case 0x3A: isValue = true
            case 0x2C: isValue = false
            case 0x7B where i == 0 || !isValue: break
            case 0x7B, 0x5B: return []
            case 0x2D, 0x30...0x39:
                guard isValue, key.elementsEqual("ack".utf8) else { break }
                return number(prefix[i...])
            default: break
            }
            i += 1
        }
        return []
    }

    /// The ack id of a Socket.IO EVENT on the namespace `/`: its digits.
    static func socketIOAck(_ prefix: UnsafeRawBufferPointer) -> [UInt8] {
        guard prefix.first == 0x32 else { return [] }
        let digits = prefix.dropFirst().prefix { (0x30...0x39).contains($0) }
        let follows = prefix.dropFirst(1 + digits.count).first
        return digits.count <= SocketIO.maxAckIDDigits && follows == 0x5B ? Array(digits) : []
    }

    /// A string with its quotes, if it can be echoed without having been parsed.
    private static func plain(_ quoted: Slice<UnsafeRawBufferPointer>) -> [UInt8] {
        let inner = quoted.dropFirst().dropLast()
        guard inner.count <= NativeDialect.maxAckBytes, inner.allSatisfy({ (0x20..<0x7F).contains($0) && $0 != 0x5C }) else { return [] }
        return Array(quoted)
    }

    private static func number(_ rest: Slice<UnsafeRawBufferPointer>) -> [UInt8] {
        let text = rest.prefix { $0 != 0x2C && $0 != 0x7D && $0 > 0x20 }
        let digits = text.first == 0x2D ? text.dropFirst() : text
        let isWhole = (1...15).contains(digits.count) && digits.allSatisfy { (0x30...0x39).contains($0) }
        return isWhole && (digits.first != 0x30 || digits.count == 1) && text.endIndex < rest.endIndex ? Array(text) : []
    }

    private static func endOfString(_ bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        var i = start
        while i < bytes.count {
            if bytes[i] == 0x5C { i += 2; continue }
            if bytes[i] == 0x22 { return i }
            i += 1
        }
        return nil
    }
}
