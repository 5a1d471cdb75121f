// The terminal `commandStatus` that the relay itself sends when the extension cannot (PROTOCOL.md, "Every command ends").
// Pure, any thread. Ids are written back as they are compared (JSONString.plain), types as
// their sender wrote them. SPDX-License-Identifier: Apache-2.0

/// Why the relay ended a command.
public enum TerminalReason: UInt8, Sendable, Hashable, CaseIterable {
    case instanceOffline, timeout, tooLarge, refused, unsupported

    /// The word on the wire and in the metrics.
    public var name: StaticString {
        switch self {
        case .instanceOffline: "instance_offline"
        case .timeout: "timeout"
        case .tooLarge: "too_large"
        case .refused: "refused"
        case .unsupported: "unsupported"
        }
    }
}

public enum RelayStatus {
    /// The payload of a terminal status.
    ///
    /// `id` and `type` are contents of JSON strings as scanned, escapes unresolved; an empty one is left out. `error` is a
    /// sentence for a person, `updatedAt` a time from `Timestamp`.
    public static func terminal(
        id: [UInt8], type: [UInt8], reason: TerminalReason, error: String, updatedAt: String
    ) -> [UInt8] {
        var out: [UInt8] = []
        out.reserveCapacity(id.count + type.count + error.utf8.count + 128)
        out.append("{")
        append("id", id, to: &out)
        append("type", type, to: &out)
        out.append("\"status\":\"error\",\"reason\":\"")
        out.append(reason.name)
        out.append("\",\"error\":")
        JSONText.appendQuoted(error, to: &out)
        out.append(",\"updatedAt\":")
        JSONText.appendQuoted(updatedAt, to: &out)
        out.append("}")
        return out
    }

    private static func append(_ name: StaticString, _ contents: [UInt8], to out: inout [UInt8]) {
        guard !contents.isEmpty else { return }
        out.append("\"")
        out.append(name)
        out.append("\":\"")
        out.append(contentsOf: contents)
        out.append("\",")
    }
}
