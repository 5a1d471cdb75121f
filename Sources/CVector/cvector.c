/* Nothing to compile beside the header, but that. SPDX-License-Identifier: Apache-2.0 */
#include "cvector.h"
