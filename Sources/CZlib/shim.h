// Included by C targets only; the module carries the link flag.
#pragma once
#include <zlib.h>
