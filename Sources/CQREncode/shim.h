// libqrencode as Swift sees it; imported by LinkRelay/HTTP/QRCode.swift alone.
#pragma once
#include <qrencode.h>
