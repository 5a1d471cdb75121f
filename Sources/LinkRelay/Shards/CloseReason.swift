// Why the relay closes a native connection: each reason has a code, a text for the peer and a metric label.
//
// Values, any thread. The range tells a client what to do: 4000-4099 come back, 4100-4199 do not come back without a change.
// PROTOCOL.md lists them. SPDX-License-Identifier: Apache-2.0

enum CloseReason: UInt16, CaseIterable, Sendable {
    case restarting = 4000
    case storeUnavailable = 4001
    case slowMember = 4002
    case greetingTimeout = 4003
    case overloaded = 4004
    case movedAway = 4005
    case byOperator = 4006
    case displaced = 4100
    case tooManyErrors = 4101
    case notText = 4102
    case blocked = 4103

    var code: UInt16 { rawValue }

    /// For the peer: what happened and what to do. At most 123 bytes.
    var text: StaticString {
        switch self {
        case .restarting: "the relay is restarting; come back in a moment"
        case .storeUnavailable: "the relay cannot look up keys just now; come back in a moment"
        case .slowMember: "too many messages were waiting for you; come back"
        case .greetingTimeout: "no iam within the time allowed; come back and send iam, then join"
        case .overloaded: "the relay is busy; come back in a moment"
        case .movedAway: "the connection could not be handed over; come back"
        case .byOperator: "the operator ended this connection; come back"
        case .displaced: "a newer connection of the same install took this one's place"
        case .tooManyErrors: "too many refused messages on one connection"
        case .blocked: "the operator blocked this address or user"
        case .notText: "binary messages are not part of this protocol"
        }
    }

    /// The metric label.
    var label: String {
        switch self {
        case .restarting: "restarting"
        case .storeUnavailable: "store_unavailable"
        case .slowMember: "slow_member"
        case .greetingTimeout: "greeting_timeout"
        case .overloaded: "overloaded"
        case .movedAway: "moved_away"
        case .byOperator: "by_operator"
        case .displaced: "displaced"
        case .tooManyErrors: "too_many_errors"
        case .blocked: "blocked"
        case .notText: "not_text"
        }
    }
}
