// Every rule by which a command about files is refused: one name that is the metric label, and one sentence for a person.
//
// Pure values, any thread. Sentences must never repeat what the command said. SPDX-License-Identifier: Apache-2.0

enum PolicyRule: Int, CaseIterable, Sendable {
    // The command as a whole.
    case malformed, repeatedMember, tooLong
    // Where it downloads from.
    case scheme, malformedAddress, userinfo, oddHost, privateTarget, localName, hostNotListed
    // What the file is called.
    case nameMissing, nameIsPath, nameCharacters, nameHidden, nameReserved, nameTooLong, suffixNotAllowed

    /// The label in the metrics, and the word in the error that the sender reads.
    var label: String {
        switch self {
        case .malformed: "malformed"
        case .repeatedMember: "repeated_member"
        case .tooLong: "too_long"
        case .scheme: "scheme"
        case .malformedAddress: "malformed_address"
        case .userinfo: "userinfo"
        case .oddHost: "odd_host"
        case .privateTarget: "private_target"
        case .localName: "local_name"
        case .hostNotListed: "host_not_listed"
        case .nameMissing: "name_missing"
        case .nameIsPath: "name_is_path"
        case .nameCharacters: "name_characters"
        case .nameHidden: "name_hidden"
        case .nameReserved: "name_reserved"
        case .nameTooLong: "name_too_long"
        case .suffixNotAllowed: "suffix_not_allowed"
        }
    }

    /// What the sender is told.
    var sentence: String { "Refused by this server's download policy (\(label)): \(explanation)" }

    private var explanation: String {
        switch self {
        case .malformed: "the command does not have the form that installs understand."
        case .repeatedMember: "a member is given twice, and nobody can say which one the install would use."
        case .tooLong: "the command is too long to be judged."
        case .scheme: "only https addresses may be downloaded from."
        case .malformedAddress: "the address is not written in the plain form that everybody reads alike."
        case .userinfo: "the address carries a user name or password."
        case .oddHost: "the host is written in a form that hides where it leads."
        case .privateTarget: "the address leads into a private or special network."
        case .localName: "the host name is one of a local network."
        case .hostNotListed: "the host is not among those that this link may download from."
        case .nameMissing: "the file has no name."
        case .nameIsPath: "the file name carries a path; give the name alone."
        case .nameCharacters: "the file name has characters that no file should have."
        case .nameHidden: "the file name begins with a dot, or with or ends in a blank or dot."
        case .nameReserved: "the file name means a device on Windows."
        case .nameTooLong: "the file name is longer than 255 bytes."
        case .suffixNotAllowed: "files of this kind may not be added."
        }
    }
}
