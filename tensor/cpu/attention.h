// attention
#pragma once
