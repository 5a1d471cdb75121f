// The routing fields of a message that was too large to keep: what its first bytes tell.
//
// Pure, any thread, cold path. Best effort: an id that comes later in the message is not found, and then only the sender is told.
// SPDX-License-Identifier: Apache-2.0

enum TruncatedEnvelope {
    /// Looks for `id` and `type` at nesting depth 2, where both dialects have the envelope's members.
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
                    id = text
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
