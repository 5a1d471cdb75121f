// The payload of `iam`: which role a peer declares, and what else it says of itself.
//
// Cold path, any thread. Everything kept is bounded here, since it lives as long as the session. Unknown extras are ignored.
// SPDX-License-Identifier: Apache-2.0

public enum IdentifyError: Error, Hashable, Sendable {
    case json(JSONError)
    case tooLarge(limit: Int)
    case notAnObject
    case unknownType

    /// One sentence for the peer.
    public var sentence: String {
        switch self {
        case .json(let error): error.sentence
        case .tooLarge(let limit): "iam may have \(limit) bytes."
        case .notAnObject: "iam must carry one object."
        case .unknownType: "type must be \"sd\" or \"client\"."
        }
    }

    /// A machine code for the peer, a label for the metrics.
    public var code: StaticString {
        switch self {
        case .json: "bad_json"
        case .tooLarge: "iam_too_large"
        case .notAnObject: "iam_not_an_object"
        case .unknownType: "unknown_role"
        }
    }
}

public struct Identity: Sendable, Equatable {
    public static let maxPayloadBytes = 65_536
    /// Of name, version and install id, in Unicode scalars.
    public static let maxTextLength = 128
    public static let maxCapabilities = 64
    public static let maxCapabilityLength = 64

    public var role: Role
    /// For people, truncated; unverified.
    public var name: String?
    /// Identifies an install across connections; an overlong one counts as absent, since a cut one could be another's.
    public var installID: String?
    public var version: String?
    /// Command types the extension declares; overlong ones are left out, and all after the 64th.
    public var capabilities: [String]

    public init(
        role: Role, name: String? = nil, installID: String? = nil, version: String? = nil, capabilities: [String] = []
    ) {
        self.role = role
        self.name = name
        self.installID = installID
        self.version = version
        self.capabilities = capabilities
    }

    /// Parses the payload. An extra of an unexpected JSON type counts as absent.
    public init(parsing payload: [UInt8]) throws(IdentifyError) {
        guard payload.count <= Self.maxPayloadBytes else { throw .tooLarge(limit: Self.maxPayloadBytes) }
        let value: JSONValue
        do throws(JSONError) {
            value = try JSONValue(parsing: payload)
        } catch {
            throw .json(error)
        }
        guard case .object = value else { throw .notAnObject }
        switch value["type"]?.stringValue {
        case "sd": role = .sd
        case "client": role = .client
        default: throw .unknownType
        }
        name = value["name"]?.stringValue.flatMap(Self.truncated)
        version = value["version"]?.stringValue.flatMap(Self.truncated)
        installID = value["installId"]?.stringValue.flatMap { text in
            !text.isEmpty && text.unicodeScalars.count <= Self.maxTextLength ? text : nil
        }
        capabilities = (value["capabilities"]?.arrayValue ?? []).lazy.compactMap(\.stringValue)
            .filter { !$0.isEmpty && $0.unicodeScalars.count <= Self.maxCapabilityLength }
            .prefix(Self.maxCapabilities).map { $0 }
    }

    /// The first scalars of `text`; nil if it is empty.
    private static func truncated(_ text: String) -> String? {
        guard !text.isEmpty else { return nil }
        return String(String.UnicodeScalarView(text.unicodeScalars.prefix(maxTextLength)))
    }
}
