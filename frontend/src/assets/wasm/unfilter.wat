;; Undoes codec D1's filter (backend/protocol/binary.py): eight byte planes to interleaved points.
;;
;; source: 8 * count bytes, planes of low bytes of x, y, z, high bytes of x, y, z, intensity,
;;   elongation; x, y, z are zig-zag coded differences to the previous point, modulo 2^16.
;; target: count points of u16 x, y, z, u8 intensity, u8 elongation.
;;
;; Eight points a step: bytes are woven to eight 16-bit lanes, un-zig-zagged, summed up along the
;; lanes in three doublings, and the last lane is carried into the next step.
(module
  (import "env" "memory" (memory 1))

  ;; Eight coded differences of one axis, and the running sum before them in all lanes.
  (func $sums (param $low i32) (param $high i32) (param $carry v128) (result v128)
    (local $v v128)
    (local.set $v
      (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23
        (v128.load64_zero (local.get $low)) (v128.load64_zero (local.get $high))))
    (local.set $v
      (v128.xor
        (i16x8.shr_u (local.get $v) (i32.const 1))
        (i16x8.neg (v128.and (local.get $v) (i16x8.splat (i32.const 1))))))
    (local.set $v (i16x8.add (local.get $v)
      (i8x16.shuffle 0 1 16 17 18 19 20 21 22 23 24 25 26 27 28 29
        (v128.const i64x2 0 0) (local.get $v))))
    (local.set $v (i16x8.add (local.get $v)
      (i8x16.shuffle 0 1 2 3 16 17 18 19 20 21 22 23 24 25 26 27
        (v128.const i64x2 0 0) (local.get $v))))
    (local.set $v (i16x8.add (local.get $v)
      (i8x16.shuffle 0 1 2 3 4 5 6 7 16 17 18 19 20 21 22 23
        (v128.const i64x2 0 0) (local.get $v))))
    (i16x8.add (local.get $v) (local.get $carry)))

  ;; One coded difference at the tail, as a signed step.
  (func $step (param $low i32) (param $high i32) (result i32)
    (local $v i32)
    (local.set $v
      (i32.or (i32.load8_u (local.get $low))
        (i32.shl (i32.load8_u (local.get $high)) (i32.const 8))))
    (i32.xor
      (i32.shr_u (local.get $v) (i32.const 1))
      (i32.sub (i32.const 0) (i32.and (local.get $v) (i32.const 1)))))

  (func (export "unfilter") (param $source i32) (param $target i32) (param $count i32)
    (local $end i32) (local $wide_end i32)
    (local $y i32) (local $z i32) (local $high i32)
    (local $vx v128) (local $vy v128) (local $vz v128) (local $vw v128)
    (local $xy v128) (local $zw v128)
    (local $sx i32) (local $sy i32) (local $sz i32)

    ;; $source walks the first plane; the others are a fixed way behind it.
    (local.set $y (local.get $count))
    (local.set $z (i32.mul (local.get $count) (i32.const 2)))
    (local.set $high (i32.mul (local.get $count) (i32.const 3)))
    (local.set $end (i32.add (local.get $source) (local.get $count)))
    (local.set $wide_end
      (i32.add (local.get $source) (i32.and (local.get $count) (i32.const -8))))

    (block $wide_done (loop $wide
      (br_if $wide_done (i32.ge_u (local.get $source) (local.get $wide_end)))
      (local.set $vx (call $sums
        (local.get $source)
        (i32.add (local.get $source) (local.get $high))
        (i8x16.shuffle 14 15 14 15 14 15 14 15 14 15 14 15 14 15 14 15
          (local.get $vx) (local.get $vx))))
      (local.set $vy (call $sums
        (i32.add (local.get $source) (local.get $y))
        (i32.add (i32.add (local.get $source) (local.get $y)) (local.get $high))
        (i8x16.shuffle 14 15 14 15 14 15 14 15 14 15 14 15 14 15 14 15
          (local.get $vy) (local.get $vy))))
      (local.set $vz (call $sums
        (i32.add (local.get $source) (local.get $z))
        (i32.add (i32.add (local.get $source) (local.get $z)) (local.get $high))
        (i8x16.shuffle 14 15 14 15 14 15 14 15 14 15 14 15 14 15 14 15
          (local.get $vz) (local.get $vz))))
      (local.set $vw
        (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23
          (v128.load64_zero (i32.add (local.get $source)
            (i32.mul (local.get $high) (i32.const 2))))
          (v128.load64_zero (i32.add (i32.add (local.get $source) (local.get $y))
            (i32.mul (local.get $high) (i32.const 2))))))

      (local.set $xy (i8x16.shuffle 0 1 16 17 2 3 18 19 4 5 20 21 6 7 22 23
        (local.get $vx) (local.get $vy)))
      (local.set $zw (i8x16.shuffle 0 1 16 17 2 3 18 19 4 5 20 21 6 7 22 23
        (local.get $vz) (local.get $vw)))
      (v128.store (local.get $target)
        (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $xy) (local.get $zw)))
      (v128.store offset=16 (local.get $target)
        (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31
          (local.get $xy) (local.get $zw)))
      (local.set $xy (i8x16.shuffle 8 9 24 25 10 11 26 27 12 13 28 29 14 15 30 31
        (local.get $vx) (local.get $vy)))
      (local.set $zw (i8x16.shuffle 8 9 24 25 10 11 26 27 12 13 28 29 14 15 30 31
        (local.get $vz) (local.get $vw)))
      (v128.store offset=32 (local.get $target)
        (i8x16.shuffle 0 1 2 3 16 17 18 19 4 5 6 7 20 21 22 23 (local.get $xy) (local.get $zw)))
      (v128.store offset=48 (local.get $target)
        (i8x16.shuffle 8 9 10 11 24 25 26 27 12 13 14 15 28 29 30 31
          (local.get $xy) (local.get $zw)))

      (local.set $source (i32.add (local.get $source) (i32.const 8)))
      (local.set $target (i32.add (local.get $target) (i32.const 64)))
      (br $wide)))

    (local.set $sx (i16x8.extract_lane_u 7 (local.get $vx)))
    (local.set $sy (i16x8.extract_lane_u 7 (local.get $vy)))
    (local.set $sz (i16x8.extract_lane_u 7 (local.get $vz)))
    (block $done (loop $one
      (br_if $done (i32.ge_u (local.get $source) (local.get $end)))
      (local.set $sx (i32.add (local.get $sx) (call $step
        (local.get $source) (i32.add (local.get $source) (local.get $high)))))
      (local.set $sy (i32.add (local.get $sy) (call $step
        (i32.add (local.get $source) (local.get $y))
        (i32.add (i32.add (local.get $source) (local.get $y)) (local.get $high)))))
      (local.set $sz (i32.add (local.get $sz) (call $step
        (i32.add (local.get $source) (local.get $z))
        (i32.add (i32.add (local.get $source) (local.get $z)) (local.get $high)))))
      (i32.store16 (local.get $target) (local.get $sx))
      (i32.store16 offset=2 (local.get $target) (local.get $sy))
      (i32.store16 offset=4 (local.get $target) (local.get $sz))
      (i32.store8 offset=6 (local.get $target) (i32.load8_u (i32.add (local.get $source)
        (i32.mul (local.get $high) (i32.const 2)))))
      (i32.store8 offset=7 (local.get $target) (i32.load8_u
        (i32.add (i32.add (local.get $source) (local.get $y))
          (i32.mul (local.get $high) (i32.const 2)))))
      (local.set $source (i32.add (local.get $source) (i32.const 1)))
      (local.set $target (i32.add (local.get $target) (i32.const 8)))
      (br $one)))))
