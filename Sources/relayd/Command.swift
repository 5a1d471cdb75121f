// Which command a command line asks for. Pure; decides nothing about settings.
//
// SPDX-License-Identifier: Apache-2.0

import LinkRelay

enum Command {
    enum HelpForm { case text, manual, markdown }

    case serve(showsWelcome: Bool)
    case checkConfig
    case signIn(user: String?)
    case newLink(user: String?, name: String?)
    case newToken(user: String?, label: String)
    case addUser(String)
    case listUsers
    case removeUser(String)
    case ask(OperatorDesk.Order, asJSON: Bool)
    case backUp(to: String, includesKey: Bool)
    case checkHealth(url: String?)
    case help(HelpForm)
    case version

    /// Flags with a value that are no settings, and flags without one.
    static let options: Set<String> = ["user", "name", "label", "url"]
    static let switches: Set<String> = ["welcome", "man", "markdown", "json", "with-key"]

    init(_ line: CommandLineWords) throws(Failure) {
        if line.wantsHelp {
            self = .help(.text)
            return
        }
        var options = line.options
        let words = line.words
        self = try Self.chosen(words, &options)
        if let left = options.keys.sorted().first {
            throw Failure(.usage, "--\(left) does not belong to `\(words.joined(separator: " "))`; see `relayd --help`.")
        }
    }

    private static func chosen(_ words: [String], _ options: inout [String: String]) throws(Failure) -> Command {
        switch words.first ?? "serve" {
        case "serve":
            try expect(words, 0...1)
            return .serve(showsWelcome: options.removeValue(forKey: "welcome") != nil)
        case "check-config":
            try expect(words, 1...1)
            return .checkConfig
        case "sign-in":
            try expect(words, 1...2)
            return .signIn(user: words.count > 1 ? words[1] : nil)
        case "backup":
            try expect(words, 2...2)
            return .backUp(to: words[1], includesKey: options.removeValue(forKey: "with-key") != nil)
        case "health":
            try expect(words, 1...1)
            return .checkHealth(url: options.removeValue(forKey: "url"))
        case "help":
            try expect(words, 1...1)
            if options.removeValue(forKey: "man") != nil { return .help(.manual) }
            return .help(options.removeValue(forKey: "markdown") != nil ? .markdown : .text)
        case "version":
            try expect(words, 1...1)
            return .version
        case "status", "rooms", "drain", "top":
            try expect(words, 1...1)
            return .ask(order(words[0]), asJSON: options.removeValue(forKey: "json") != nil)
        case "room", "kick":
            try expect(words, 2...2)
            guard let id = Int64(words[1]), id > 0 else { throw Failure(.usage, "a room is a number; `relayd rooms` shows them.") }
            return .ask(words[0] == "room" ? .room(id) : .kick(id), asJSON: options.removeValue(forKey: "json") != nil)
        case "link", "token", "user":
            return try chosenPair(words, &options)
        default:
            throw Failure(.usage, "there is no command `\(words[0])`; see `relayd --help`.")
        }
    }

    private static func chosenPair(_ words: [String], _ options: inout [String: String]) throws(Failure) -> Command {
        let pair = words.prefix(2).joined(separator: " ")
        switch pair {
        case "link new":
            try expect(words, 2...2)
            return .newLink(user: options.removeValue(forKey: "user"), name: options.removeValue(forKey: "name"))
        case "token new":
            try expect(words, 2...3)
            let label = options.removeValue(forKey: "label") ?? "made on the command line"
            return .newToken(user: words.count > 2 ? words[2] : nil, label: label)
        case "user add":
            try expect(words, 3...3)
            return .addUser(words[2])
        case "user list":
            try expect(words, 2...2)
            return .listUsers
        case "user remove":
            try expect(words, 3...3)
            return .removeUser(words[2])
        default:
            throw Failure(.usage, "there is no command `\(pair)`; see `relayd --help`.")
        }
    }

    private static func order(_ word: String) -> OperatorDesk.Order {
        switch word {
        case "rooms": .rooms
        case "drain": .drain
        case "top": .top
        default: .status
        }
    }

    private static func expect(_ words: [String], _ count: ClosedRange<Int>) throws(Failure) {
        if words.count < count.lowerBound {
            throw Failure(.usage, "`\(words.joined(separator: " "))` lacks a word after it; see `relayd --help`.")
        }
        if words.count > count.upperBound {
            throw Failure(.usage, "`\(words[count.upperBound])` is one word too many; see `relayd --help`.")
        }
    }
}
