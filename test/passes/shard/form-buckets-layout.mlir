// RUN: regimen-opt %s '-regimen-form-buckets=layout=[["c"],["b","a"]]' -regimen-verify-shard | FileCheck %s
// RUN: not regimen-opt %s '-regimen-form-buckets=layout=[["c"],["b"]]' 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not regimen-opt %s '-regimen-form-buckets=layout=[["c"],["b","a","b"]]' 2>&1 | FileCheck %s --check-prefix=TWICE
// RUN: not regimen-opt %s '-regimen-form-buckets=layout=[["c","a"],["b"]]' 2>&1 | FileCheck %s --check-prefix=KIND
// RUN: not regimen-opt %s '-regimen-form-buckets=layout=[["c"],["b","a"],[]]' 2>&1 | FileCheck %s --check-prefix=EMPTY

// A layout that an earlier compilation chose.
// CHECK: dist.bucket @bucket0 parameters [@c] offsets [0] elements 256 : f32
// CHECK-NEXT: dist.bucket @bucket1 parameters [@b, @a] offsets [0, 128] elements 256 : f32 trainable
// MISSING: key 'layout': parameter 'a' is in no bucket
// TWICE: key 'layout': 'b' is no parameter of the model, or stands there twice
// KIND: key 'layout': 'a' differs in type or trainability from its bucket's others
// EMPTY: key 'layout': bucket 2 is empty
train.parameter @a : tensor<10xf32> trainable
train.parameter @b : tensor<10x10xf32> trainable
train.parameter @c : tensor<10xf32>
