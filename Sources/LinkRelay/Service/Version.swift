// The version this source is. SPDX-License-Identifier: Apache-2.0

package enum Version {
    /// Semantic; CHANGELOG.md says what each one means for an operator.
    package static let text = "0.1.0"
}
