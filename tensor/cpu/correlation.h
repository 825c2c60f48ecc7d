// correlation
#pragma once
